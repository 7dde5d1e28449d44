# SPDX-License-Identifier: MIT
"""A daemon with a plain, a status and a control socket, and coprocctl run against it."""
import json
import os
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from tap import DEADLINE, wait_until

COPROCD = os.environ["COPROCD"]
CTL = os.environ["COPROCCTL"]
FAKE = os.environ["FAKE_COPROC"]
WRAPPER = os.environ.get("COPROCD_WRAPPER", "").split()


class Daemon:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.plain = str(directory / "p")
        self.status = str(directory / "s")
        self.control = str(directory / "c")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            [*WRAPPER, COPROCD, "--listen", self.plain, "--listen", f"{self.status},replies=status",
             "--control", self.control, "--restart-delay", "10ms", *options, "--", FAKE],
            stderr=log)
        log.close()
        wait_until("the sockets", lambda: all(
            os.path.exists(p) for p in (self.plain, self.status, self.control)))

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait(DEADLINE)


def connected(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE)
    client.connect(path)
    return client


@contextmanager
def running(directory: Path, *options: str) -> Iterator[Daemon]:
    daemon = Daemon(directory)
    daemon.start(*options)
    try:
        yield daemon
    finally:
        daemon.stop()


def ctl(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([CTL, *words], input=stdin, capture_output=True, timeout=DEADLINE,
                          check=False)


def ok(*words: str, stdin: bytes = b"") -> bytes:
    done = ctl(*words, stdin=stdin)
    assert done.returncode == 0, (words, done)
    return done.stdout


def status_of(d: Daemon) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(ok("-s", d.control, "status", "--json"))
    return result


def wait_status(d: Daemon, key: str, value: int | str) -> None:
    wait_until(f"{key} {value}", lambda: bool(status_of(d)[key] == value))
