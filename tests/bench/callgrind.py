# SPDX-License-Identifier: MIT
"""Instructions of the daemon for each request, counted by callgrind.

The load is written while the daemon is stopped, its program answers all of a round in one
write, and its clock goes by how often it is looked at, so that the turns of the loop, and with
them the instructions, are the same each time.
What start and stop cost falls out, as the runs of so many and of twice as many rounds differ by
the rounds alone.
"""
import json
import re
import statistics
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from rig import Relay, Rig, ask_rounds


@dataclass(frozen=True)
class Load:
    clients: int
    depth: int
    rounds: int
    idle: int = 0  # clients that ask nothing

    @property
    def name(self) -> str:
        return f"{self.clients}×{self.depth}"

    @property
    def requests(self) -> int:
        """Of one round."""
        return self.clients * self.depth


LOADS = (Load(1, 1, 100), Load(64, 1, 25), Load(64, 64, 15))
COPROCD = ("--window", "4096")
WITHIN = 0.10


@dataclass(frozen=True)
class Toolchain:
    """What the numbers depend on besides the sources; written by meson."""
    name: str
    fault: str  # why nothing can be counted

    @classmethod
    def of(cls, build: Path) -> "Toolchain":
        known = json.loads((build / "tests" / "bench" / "toolchain.json").read_text())
        name = f"{known['compiler']} {known['version'].split('.')[0]} -O{known['optimization']}"
        name += " -flto" if known["lto"] == "true" else ""
        instrumented = known["sanitize"] != "none" or known["coverage"] == "true"
        return cls(name, "the build is instrumented" if instrumented else "")


def strip(rig: Rig, keep: Path) -> Rig:
    """Without debug information, as valgrind does not understand that of every compiler."""
    copy = keep / "coprocd"
    subprocess.run(["strip", "--strip-debug", "-o", copy, rig.coprocd], check=True)
    return replace(rig, stripped=copy)


def totals(directory: Path, pid: int) -> int:
    text = (directory / f"callgrind.{pid}").read_text()
    found = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
    if not found:
        raise RuntimeError(f"no totals in what callgrind wrote of process {pid}")
    return int(found[1])


def count(rig: Rig, child: str, options: tuple[str, ...], work: Callable[[Relay], None],
          keep: Path, look_us: int = 1) -> int:
    """Instructions of a whole life of the daemon, in which each look at its clock takes so long."""
    # Meson sets MALLOC_PERTURB_, whose work would be counted.
    wrapper = ("env", "-u", "MALLOC_PERTURB_", f"STEADY_CLOCK_US={look_us}",
               f"LD_PRELOAD={rig.bench('libsteady_clock.so')}", "valgrind", "--quiet",
               "--tool=callgrind", f"--callgrind-out-file={keep}/callgrind.%p")
    with Relay(rig, "coprocd", child, options, wrapper=wrapper) as relay:
        work(relay)
        pid = relay.pid
    return totals(keep, pid)


def count_rounds(rig: Rig, load: Load, rounds: int, keep: Path) -> int:
    """Instructions of a life with so many rounds."""
    def work(relay: Relay) -> None:
        ask_rounds(relay, load.clients, load.depth, rounds, load.idle)

    options = COPROCD + ("--max-clients", str(load.clients + load.idle + 1))
    return count(rig, f"hold {load.requests}", options if load.idle else COPROCD, work, keep)


def per_request(rig: Rig, load: Load, keep: Path) -> float:
    once = count_rounds(rig, load, load.rounds, keep)
    twice = count_rounds(rig, load, 2 * load.rounds, keep)
    return (twice - once) / (load.rounds * load.requests)


def profile(rig: Rig, load: Load, keep: Path) -> str:
    """The functions that cost the most, as callgrind_annotate tells them."""
    count_rounds(rig, load, 2 * load.rounds, keep)
    newest = max(keep.glob("callgrind.*"), key=lambda path: path.stat().st_mtime)
    return subprocess.run(["callgrind_annotate", "--threshold=92", str(newest)], check=True,
                          capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Counted:
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def range_part(self) -> float:
        """How far apart the runs are, as a part of the median."""
        return (max(self.values) - min(self.values)) / self.median


def record(path: Path, toolchain: str, numbers: dict[str, float]) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    known[toolchain] = {name: round(value, 1) for name, value in numbers.items()}
    path.write_text(json.dumps(known, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def recorded(path: Path, toolchain: str) -> dict[str, float]:
    known: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
    return known.get(toolchain, {})
