# SPDX-License-Identifier: MIT
"""The real daemon, and clients that verify each ending, for the fault tests."""
import os
import random
import re
import selectors
import shlex
import signal
import socket
import subprocess
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

from tap import wait_until

ERROR = re.compile(rb"coprocd: error: ([a-z-]+): ")
STATS = re.compile(r"stats: pid (\d+), .*clients (\d+), waiting (\d+) .*in flight (\d+), .*"
                   r"starts (\d+), ")


@dataclass
class Tally:
    """How requests have ended."""
    right: int = 0
    wrong: int = 0
    lost: int = 0
    gone: int = 0  # the client had left
    errors: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        if len(self.examples) < 5:
            self.examples.append(what[:300])

    def add(self, other: "Tally") -> None:
        self.right += other.right
        self.wrong += other.wrong
        self.lost += other.lost
        self.gone += other.gone
        self.errors.update(other.errors)

    def total(self) -> int:
        return self.right + self.wrong + self.lost + self.gone + self.errors.total()


@dataclass
class Request:
    text: bytes
    accept: tuple[bytes, ...]  # the replies that may be its own
    asked_at: float = 0.0


class Client:
    """One connection. Each request is unique, so a reply of another one shows."""

    def __init__(self, crew: "Crew", path: Path, name: str) -> None:
        self.crew = crew
        self.name = name
        self.count = 0
        self.pending: deque[Request] = deque()
        self.unsent = bytearray()
        self.bytes = bytearray()
        self.once = False  # leaves when it has got its ending
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.connect(str(path))
        crew.selector.register(self.socket, selectors.EVENT_READ, self)
        crew.clients.append(self)

    def plain(self) -> Request:
        self.count += 1
        text = f"{self.name}.{self.count}.{self.crew.random.getrandbits(48):x}".encode()
        return Request(text, (text,))

    def ask(self, request: Optional[Request] = None) -> None:
        request = request or self.plain()
        request.asked_at = time.monotonic()
        if not self.crew.pending():
            self.crew.last_ending = request.asked_at
        self.pending.append(request)
        self.unsent += request.text + b"\n"
        self.send()

    def send(self) -> None:
        try:
            while self.unsent:
                del self.unsent[:self.socket.send(self.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent.clear()  # the end of input follows
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)
        self.crew.selector.modify(self.socket, mask, self)

    def receive(self) -> None:
        try:
            got = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        if not got:
            self.leave(lost=True)
            return
        self.bytes += got
        *lines, rest = self.bytes.split(b"\n")
        self.bytes = bytearray(rest)
        for line in lines:
            self.judge(bytes(line))
        if self.once and not self.pending:
            self.leave()

    def judge(self, line: bytes) -> None:
        tally = self.crew.tally
        error = ERROR.match(line)
        if not self.pending:
            tally.wrong += 1
            tally.note(f"{self.name} asked nothing and got {line!r}")
            return
        request = self.pending.popleft()
        self.crew.note_ending()
        if line in request.accept:
            tally.right += 1
        elif error:
            tally.errors[error.group(1).decode()] += 1
        else:
            tally.wrong += 1
            tally.note(f"{self.name} asked {request.text[:60]!r} and got {line[:60]!r}")

    def leave(self, lost: bool = False) -> None:
        """Close; with @lost what is pending should have been answered."""
        if lost and self.pending:
            self.crew.tally.lost += len(self.pending)
            self.crew.tally.note(f"{self.name}: closed, {len(self.pending)} pending, the first is "
                                 f"{self.pending[0].text[:60]!r}")
        elif not lost:
            self.crew.tally.gone += len(self.pending)
        self.pending.clear()
        self.crew.selector.unregister(self.socket)
        self.crew.clients.remove(self)
        self.socket.close()


class Crew:
    """All clients of one daemon, and the longest time without an ending while some were due."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.random = random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.clients: list[Client] = []
        self.tally = Tally()
        self.named = 0
        self.last_ending = 0.0
        self.gap = 0.0

    def join(self, count: int) -> list[Client]:
        self.named += count
        return [Client(self, self.path, f"c{self.named - count + n}") for n in range(count)]

    def note_ending(self) -> None:
        now = time.monotonic()
        self.gap = max(self.gap, now - self.last_ending)
        self.last_ending = now

    def restart_gap(self) -> None:
        self.gap, self.last_ending = 0.0, time.monotonic()

    def pending(self) -> int:
        return sum(len(c.pending) for c in self.clients)

    def turn(self, seconds: float) -> None:
        for key, mask in self.selector.select(seconds):
            client: Client = key.data
            if mask & selectors.EVENT_WRITE:
                client.send()
            if mask & selectors.EVENT_READ:
                client.receive()

    def pump(self, seconds: float, until: Optional[Callable[[], bool]] = None) -> bool:
        """Serve the clients for so long, or until the condition holds, which it returns."""
        end = time.monotonic() + seconds
        while not (until and until()):
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.turn(min(left, 0.02))
        return True

    def finish(self, seconds: float) -> bool:
        """Wait for all endings; what does not come is lost."""
        done = self.pump(seconds, lambda: not self.pending())
        for client in [c for c in self.clients if c.pending]:
            client.leave(lost=True)
        return done

    def close(self) -> None:
        for client in list(self.clients):
            client.leave()
        self.selector.close()


@dataclass(frozen=True)
class Programs:
    coprocd: str
    fake: str
    load: str = ""


def state_of(pid: int) -> str:
    """The letter of /proc/PID/stat, empty if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]


def send_signal(pid: int, sig: int) -> None:
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


class Daemon:
    """coprocd with a fake_coproc, in a directory of its own."""

    def __init__(self, programs: Programs, directory: Path, options: dict[str, str],
                 fake_args: str, prefix: str = "") -> None:
        self.directory = directory
        self.programs = programs
        self.options = options
        self.path = directory / "s"
        self.log_text = ""
        fake = " ".join(shlex.quote(word) for word in (
            programs.fake, "--count-file", str(directory / "count"),
            "--log-file", str(directory / "asked")))
        self.command = f"{prefix}{fake} {fake_args}"
        self.configure(self.command)
        wrapper = shlex.split(os.environ.get("COPROCD_WRAPPER", ""))
        with open(directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                wrapper + [programs.coprocd, "--config", str(directory / "conf")], stderr=log)
        self.log_file = open(directory / "log", "rb")
        try:
            self.wait("the start", lambda: self.log_has("): started: "))
        except AssertionError:
            self.stop()
            raise

    def configure(self, command: str) -> None:
        lines = {"listen": str(self.path), "log-level": "debug", "command": command, **self.options}
        new = self.directory / "conf.new"
        new.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))
        new.rename(self.directory / "conf")

    def signal(self, sig: int) -> None:
        self.process.send_signal(sig)

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 20) -> None:
        try:
            wait_until(what, condition, seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.log()[-3000:]}") from None

    def log(self) -> str:
        self.log_text += self.log_file.read().decode(errors="replace")
        return self.log_text

    def log_has(self, text: str, since: int = 0) -> bool:
        return self.log().find(text, since) >= 0

    def stats(self) -> dict[str, int]:
        """What SIGUSR1 logs."""
        since = len(self.log())
        self.signal(signal.SIGUSR1)
        self.wait("statistics", lambda: STATS.search(self.log(), since) is not None)
        match = STATS.search(self.log(), since)
        assert match
        return dict(zip(("pid", "clients", "waiting", "in flight", "starts"),
                        map(int, match.groups())))

    def wait_stats(self, **wanted: int) -> None:
        """Wait until the statistics say so; in_flight stands for `in flight`."""
        want = {key.replace("_", " "): value for key, value in wanted.items()}
        self.wait(f"statistics {want}", lambda: want.items() <= self.stats().items(), 10)

    def pids(self) -> list[int]:
        """Of every process that was started, in order."""
        try:
            return [int(line) for line in (self.directory / "count").read_text().split()]
        except FileNotFoundError:
            return []

    def asked(self) -> list[bytes]:
        """Every request that has reached a process."""
        try:
            return (self.directory / "asked").read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []

    def freeze(self) -> int:
        """Stop the present process with SIGSTOP, so that a moment lasts. Returns its pid."""
        pid = self.stats()["pid"]
        assert pid > 0, "there is no process"
        send_signal(pid, signal.SIGSTOP)
        self.wait("the process to stand still", lambda: state_of(pid) == "T")
        return pid

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def rss_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def strangers(self) -> list[int]:
        """Children that are neither alive nor one of the processes, or should be gone."""
        known = set(self.pids())
        return [pid for pid in self.children() if pid not in known or state_of(pid) == "Z"]

    def stop(self) -> int:
        """End it by SIGTERM, or by force. Returns its exit code."""
        if self.process.returncode is not None:
            return self.process.returncode
        self.signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.log()
