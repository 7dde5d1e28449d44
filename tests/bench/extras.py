# SPDX-License-Identifier: MIT
"""What is not a load: memory, idleness, starting and stopping."""
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Callable, Optional

from cases import SUBJECTS
from rig import Relay, Rig, ask_load, load_command
from rounds import Spread, spread

IDLE_CLIENTS = 10000
BUSY_CLIENTS, BUSY_DEPTH = 1000, 8
SETTLED_S = 1.5  # a second after the last request freed memory is looked for, once
IDLE_S = 2.0
TITLES = {
    "base_kib": "memory, after one request",
    "base_own_kib": "of it, its own (not of files)",
    "idle_bytes": f"for each of {IDLE_CLIENTS} idle clients",
    "busy_bytes": f"for each of {BUSY_CLIENTS} clients with {BUSY_DEPTH} requests of 1 KiB",
    "idle_cpu": f"CPU with the idle clients, from {SETTLED_S} s after the last request on",
    "start_ms": "start to the first reply",
    "stop_ms": "SIGTERM to the end",
}
UNITS = {"base_kib": "KiB", "base_own_kib": "KiB", "idle_bytes": "B", "busy_bytes": "B",
         "idle_cpu": "%", "start_ms": "ms", "stop_ms": "ms"}
# More than the queue and the number of clients allow by default.
OPTIONS = SUBJECTS["coprocd"] + ("--queue", "100000", "--max-clients", "11000")


@dataclass
class Extras:
    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    rounds: int = 0  # that are done

    def add(self, subject: str, metric: str, value: float) -> None:
        self.values.setdefault((subject, metric), []).append(value)

    def get(self, subject: str, metric: str) -> Optional[Spread]:
        return spread(self.values.get((subject, metric), []))


def start_relay(rig: Rig, subject: str) -> Relay:
    return Relay(rig, subject, "batch", OPTIONS if subject == "coprocd" else ())


def once(relay: Relay, subject: str, extras: Extras) -> None:
    """One request, which brings what is allocated when it is first needed."""
    result = ask_load(relay, ("--rounds", "1"))
    if "failed" in result:
        extras.faults.append(f"{subject}: {result['failed']}")


def measure_idle(rig: Rig, subject: str, extras: Extras) -> None:
    with start_relay(rig, subject) as relay:
        once(relay, subject, extras)
        base = relay.memory_kib()
        extras.add(subject, "base_kib", base)
        extras.add(subject, "base_own_kib", relay.memory_kib("RssAnon"))
        hold = load_command(rig, ("--idle", str(IDLE_CLIENTS), "--clients", "0", "--hold",
                                  str(relay.socket)))
        with subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as idle:
            assert idle.stdin and idle.stdout
            if idle.stdout.readline() != b"ready\n":
                extras.faults.append(f"{subject}: {IDLE_CLIENTS} clients cannot connect")
                return
            once(relay, subject, extras)  # behind all of the connections
            time.sleep(SETTLED_S)
            used, begin = relay.cpu_s(), time.monotonic()
            time.sleep(IDLE_S)
            part = (relay.cpu_s() - used) / (time.monotonic() - begin)
            extras.add(subject, "idle_cpu", part * 100)
            extras.add(subject, "idle_bytes", (relay.memory_kib() - base) * 1024 / IDLE_CLIENTS)
            idle.stdin.close()


def measure_busy(rig: Rig, subject: str, extras: Extras) -> None:
    with start_relay(rig, subject) as relay:
        once(relay, subject, extras)
        base = relay.memory_kib()
        result = ask_load(relay, ("--clients", str(BUSY_CLIENTS), "--depth", str(BUSY_DEPTH),
                                  "--seconds", "0.5", "--bytes", "1024"))
        if "failed" in result:
            extras.faults.append(f"{subject}: {result['failed']}")
        peak = relay.memory_kib("VmHWM")
        extras.add(subject, "busy_bytes", (peak - base) * 1024 / BUSY_CLIENTS)


def measure_life(rig: Rig, subject: str, extras: Extras) -> None:
    relay = start_relay(rig, subject)
    once(relay, subject, extras)
    extras.add(subject, "start_ms", relay.ready_s * 1000)
    extras.add(subject, "stop_ms", relay.stop() * 1000)


def run_extras(rig: Rig, rounds: int, extras: Extras, keep: Callable[[], None]) -> None:
    """@keep: called after each round"""
    while extras.rounds < rounds:
        for subject in ("floor", "coprocd"):
            measure_idle(rig, subject, extras)
            measure_busy(rig, subject, extras)
            measure_life(rig, subject, extras)
        extras.rounds += 1
        keep()
        print(f"round {extras.rounds}/{rounds}: memory and life", file=sys.stderr)
