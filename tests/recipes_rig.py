# SPDX-License-Identifier: MIT
"""The real daemon with a recipe, and clients that verify each ending."""
import os
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
from typing import Callable, Iterator, Optional, Sequence

from recipes_base import Expect, encoder, fits
from tap import wait_until

STARTS = re.compile(r"stats: pid (-?\d+), .*, starts (\d+), ")


@dataclass
class Tally:
    """How requests have ended. Lost are those without an ending."""
    right: int = 0
    wrong: int = 0
    lost: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        if len(self.examples) < 5:
            self.examples.append(what)

    def add(self, other: "Tally") -> None:
        self.right += other.right
        self.wrong += other.wrong
        self.lost += other.lost
        self.errors.update(other.errors)
        self.examples += other.examples

    def total(self) -> int:
        return self.right + self.wrong + self.lost + self.errors.total()

    def text(self) -> str:
        codes = "".join(f", {code} {n}" for code, n in sorted(self.errors.items()))
        return f"{self.right} right, {self.wrong} wrong, {self.lost} lost{codes}"


class Client:
    """One connection to a socket with replies=status; judges each ending."""

    def __init__(self, crew: "Crew", name: str, tally: Tally) -> None:
        self.crew = crew
        self.name = name
        self.tally = tally
        self.pending: deque[tuple[bytes, Optional[Expect]]] = deque()
        self.ended = 0
        self.unsent = bytearray()
        self.got = bytearray()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.connect(str(crew.path))
        crew.selector.register(self.socket, selectors.EVENT_READ, self)
        crew.clients.append(self)

    def ask(self, request: bytes, expect: Optional[Expect]) -> None:
        self.pending.append((request, expect))
        self.unsent += self.crew.encode(request)
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
            got = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        if not got:
            self.leave()
            return
        self.got += got
        while self.take_one():
            pass

    def take_one(self) -> bool:
        """Judge one ending if it is there as a whole."""
        first = self.got.find(b"\n")
        if first < 0:
            return False
        kind, head, end = self.got[:1], bytes(self.got[1:first]), first + 1
        if kind == b"*":
            start = end
            for _ in range(int(head)):
                end = self.got.find(b"\n", end) + 1
                if not end:
                    return False
            reply = bytes(self.got[start:end])
        else:
            reply = head + b"\n"
        del self.got[:end]
        self.judge(bytes(kind), reply)
        return True

    def judge(self, kind: bytes, reply: bytes) -> None:
        self.ended += 1
        if not self.pending or kind not in (b"+", b"*", b"-"):
            self.wrong(b"nothing", None, kind + reply)
            return
        request, expect = self.pending.popleft()
        if kind != b"-":
            if fits(reply, expect):
                self.tally.right += 1
            else:
                self.wrong(request, expect, reply)
            return
        code = reply.split(b" ")[0].strip().decode()
        if code == expect or expect is None:
            self.tally.right += 1
        else:
            self.tally.errors[code] += 1
            self.tally.note(f"{self.name} asked {request[:80]!r} and got error {reply[:200]!r}")

    def wrong(self, request: bytes, expect: Optional[Expect], reply: bytes) -> None:
        self.tally.wrong += 1
        self.tally.note(f"WRONG: {self.name} asked {request[:80]!r}, expected {str(expect)[:200]} "
                        f"and got {reply[:200]!r}")

    def leave(self) -> None:
        """Close; what is pending is lost."""
        if self.pending:
            self.tally.lost += len(self.pending)
            self.tally.note(f"LOST: {self.name}: closed with {len(self.pending)} pending, "
                            f"first {self.pending[0][0][:80]!r}")
        self.pending.clear()
        self.crew.selector.unregister(self.socket)
        self.crew.clients.remove(self)
        self.socket.close()


class Crew:
    """The clients of one daemon."""

    def __init__(self, daemon: "Daemon") -> None:
        self.path = daemon.path
        self.encode = daemon.encode
        self.selector = selectors.DefaultSelector()
        self.clients: list[Client] = []

    def join(self, count: int, tally: Tally, name: str = "innocent") -> list[Client]:
        return [Client(self, f"{name} {n}", tally) for n in range(count)]

    def pump(self, seconds: float, until: Callable[[], bool]) -> bool:
        """Serve the clients until the condition holds; returns whether it came to hold in time."""
        end = time.monotonic() + seconds
        while not until():
            left = end - time.monotonic()
            if left <= 0:
                return False
            for key, mask in self.selector.select(min(left, 0.02)):
                if mask & selectors.EVENT_WRITE:
                    key.data.send()
                if mask & selectors.EVENT_READ:
                    key.data.receive()
        return True

    def finish(self, seconds: float) -> None:
        """Wait for all endings; what does not come in time is lost. Closes all."""
        self.pump(seconds, lambda: not any(c.pending for c in self.clients))
        for client in list(self.clients):
            client.leave()
        self.selector.close()


def descendants(pid: int) -> Iterator[int]:
    """All processes below that one."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        for task in tasks:
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from descendants(int(child))
    except OSError:
        return  # it has ended meanwhile


def resident_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    match = re.search(r"VmRSS:\s+(\d+)", status)
    return int(match[1]) if match else 0


class Daemon:
    """coprocd with a configuration, in a directory of its own."""

    def __init__(self, coprocd: str, config: Path, directory: Path, details: list[str],
                 options: dict[str, str], command: Sequence[str] = ()) -> None:
        self.directory = directory
        self.path = directory / "s"
        self.encode = encoder(details)
        self.log_text = ""
        listen = ",".join([str(self.path), "replies=status", *details])
        all_options = {"listen": listen, "log-level": "debug", "log-target": "stderr", **options}
        words = [w for key, value in all_options.items()
                 for w in ([f"--{key}"] if value == "yes" else [f"--{key}", value])]
        words += ["--", *command] if command else []
        wrapper = shlex.split(os.environ.get("COPROCD_WRAPPER", ""))
        self.started_at = time.monotonic()
        with open(directory / "log", "wb") as log:
            self.process = subprocess.Popen(wrapper + [coprocd, "--config", str(config), *words],
                                            stdin=subprocess.DEVNULL, stderr=log)
        self.log_file = open(directory / "log", "rb")
        try:
            self.wait("the socket", self.listens)
        except AssertionError:
            self.stop()
            raise

    def listens(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"coprocd exited with {self.process.returncode}:\n{self.log()}")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(str(self.path))
        except OSError:
            return False
        return True

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 20) -> None:
        try:
            wait_until(what, condition, seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.log()[-3000:]}") from None

    def log(self) -> str:
        self.log_text += self.log_file.read().decode(errors="replace")
        return self.log_text

    def stats(self) -> tuple[int, int]:
        """The pid of the process (-1 or 0 for none), and how many were started."""
        since = len(self.log())
        self.process.send_signal(signal.SIGUSR1)
        self.wait("statistics", lambda: STARTS.search(self.log(), since) is not None)
        match = STARTS.search(self.log(), since)
        assert match
        return int(match[1]), int(match[2])

    def signal_process(self, number: int) -> bool:
        """To the present process and its group; False if there is none."""
        pid = self.stats()[0]
        if pid <= 0:
            return False
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return False
        return True

    def resident_kib(self) -> int:
        """The memory of the process and all below it."""
        return sum(resident_kib(pid) for pid in descendants(self.process.pid))

    def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log()
