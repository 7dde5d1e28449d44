# SPDX-License-Identifier: MIT
"""What the benchmarks run: a relay with its program, pinned, and the load generator."""
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

START_S = 60.0  # under valgrind, on a busy machine
STOP_S = 10.0


@dataclass(frozen=True)
class Rig:
    """The programs, and the processors that they run on."""
    build: Path
    relay_cpu: int
    load_cpu: int
    rivals: dict[str, str] = field(default_factory=dict)
    stripped: Optional[Path] = None  # a copy of the daemon to be run in place of it

    @property
    def coprocd(self) -> Path:
        return self.stripped or self.build / "daemon" / "coprocd"

    def bench(self, name: str) -> Path:
        return self.build / "tests" / "bench" / name

    def child(self, mode: str) -> list[str]:
        return [str(self.bench("child")), *mode.split()]

    def missing(self) -> list[str]:
        wanted = [self.coprocd, *map(self.bench, ("floor", "child", "loadgen"))]
        return [str(path) for path in wanted if not path.exists()]

    def allows(self, *options: str) -> bool:
        """Whether this coprocd knows the options."""
        done = subprocess.run([self.coprocd, "--check-config", "--listen", "/nowhere", *options,
                               "--", "true"], capture_output=True, check=False)
        return done.returncode == 0


class Relay:
    """A relay that runs, with its program behind it and a socket before it."""

    def __init__(self, rig: Rig, kind: str, child: str, options: tuple[str, ...] = (),
                 status: bool = False, wrapper: tuple[str, ...] = ()) -> None:
        self.rig = rig
        self.directory = Path(tempfile.mkdtemp(prefix="coprocd-bench-"))
        self.socket = self.directory / "socket"
        self.command = [*wrapper, *self.command_of(kind, rig.child(child), options, status)]
        self.log = open(self.directory / "log", "wb")  # pylint: disable=consider-using-with
        self.asks_first = not child.startswith("hold")
        self.started = time.perf_counter()
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            preexec_fn=lambda: os.sched_setaffinity(0, {rig.relay_cpu}))
        self.pid = self.process.pid
        try:
            self.ready_s = self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def command_of(self, kind: str, child: list[str], options: tuple[str, ...],
                   status: bool) -> list[str]:
        path = str(self.socket)
        if kind == "floor":
            return [str(self.rig.bench("floor")), path, *child]
        if kind == "coprocd":
            listen = path + (",replies=status" if status else "")
            return [str(self.rig.coprocd), "--listen", listen, *options, "--", *child]
        template = self.rig.rivals[kind]
        if "{" not in template:
            template += " {socket} {child}"
        return shlex.split(template.format(socket=path, child=" ".join(child)))

    def wait_ready(self) -> float:
        """Ask until there is a reply. Returns the seconds since the start."""
        while True:
            if self.process.poll() is not None or time.perf_counter() > self.started + START_S:
                raise RuntimeError(f"{shlex.join(self.command)} does not start:\n{self.log_text()}")
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.socket))
                except OSError:
                    time.sleep(0.0002)
                    continue
                if not self.asks_first:
                    return time.perf_counter() - self.started
                probe.sendall(b"ready?\n")
                if probe.recv(100).lstrip(b"+") == b"ready?\n":
                    return time.perf_counter() - self.started

    def log_text(self, most: Optional[int] = 2000) -> str:
        """The end of its log, or all of it."""
        text = (self.directory / "log").read_text(errors="replace")
        return text if most is None else text[-most:]

    def child_pid(self) -> Optional[int]:
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            pids = (task / "children").read_text().split()
            if pids:
                return int(pids[0])
        return None

    def memory_kib(self, key: str = "VmRSS") -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise RuntimeError(f"no {key} of process {self.pid}")

    def cpu_s(self) -> float:
        return time.clock_gettime(~self.pid << 3 | 2)  # CPUCLOCK_SCHED of <linux/posix-timers.h>

    def stop(self) -> float:
        """Returns the seconds from SIGTERM to the end."""
        begin = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        seconds = time.perf_counter() - begin
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return seconds

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def load_command(rig: Rig, args: tuple[str, ...]) -> list[str]:
    return ["taskset", "-c", str(rig.load_cpu), str(rig.bench("loadgen")), *args]


def run_load(rig: Rig, args: tuple[str, ...]) -> dict[str, Any]:
    """Run the load generator; a wrong or missing reply is in `failed`."""
    done = subprocess.run(load_command(rig, args), capture_output=True, text=True, check=False,
                          timeout=600)
    result: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    if done.returncode:
        result["failed"] = done.stderr.strip() or f"exit status {done.returncode}"
    return result


def ask_load(relay: Relay, args: tuple[str, ...]) -> dict[str, Any]:
    pids = ["--pid", f"relay={relay.pid}"]
    child = relay.child_pid()
    if child:
        pids += ["--pid", f"child={child}"]
    return run_load(relay.rig, (*args, *pids, str(relay.socket)))


def ask_rounds(relay: Relay, clients: int, depth: int, rounds: int, idle: int = 0) -> None:
    """Rounds that the relay finds written whole; RuntimeError if a reply was wrong."""
    result = run_load(relay.rig, ("--clients", str(clients), "--depth", str(depth), "--rounds",
                                  str(rounds), "--idle", str(idle), "--stop", str(relay.pid),
                                  str(relay.socket)))
    if "failed" in result:
        raise RuntimeError(f"{result['failed']}\n{relay.log_text()}")
