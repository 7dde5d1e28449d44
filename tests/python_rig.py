# SPDX-License-Identifier: MIT
"""What the tests of the Python client stand on: the package from the sources, the daemon.

environment: COPROCD, FAKE_COPROC, NORMALIZER (paths), COPROCD_WRAPPER
"""
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Optional

from tap import DEADLINE, listens, wait_until

SOURCE = Path(__file__).resolve().parent.parent
PACKAGE = SOURCE / "contrib" / "python"
sys.path.insert(0, str(PACKAGE))

COPROCD = os.environ["COPROCD"]
FAKE = os.environ["FAKE_COPROC"]
NORMALIZER = os.environ["NORMALIZER"]
STOPWORDS = str(SOURCE / "contrib" / "normalizer" / "stopwords.txt")
WRAPPER = os.environ.get("COPROCD_WRAPPER", "").split()
SLOW = 10 if WRAPPER else 1  # how much longer everything takes

SAMPLES = {"在云端": "云端", "云梯": "云梯", "摩萨德": "摩萨德", "Alisa": "alisa", "iDB": "idb",
           "阿里大数据": "阿里大数据"}


class Daemon:
    """A coprocd with a status socket and a plain one."""

    def __init__(self, directory: Path, *options: str, command: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.socket = directory / "status"
        self.plain = directory / "plain"
        self.requests = directory / "requests"
        self.argv = [*WRAPPER, COPROCD, "--listen", f"{self.socket},replies=status", "--listen",
                     str(self.plain), *options, "--",
                     *(command or (FAKE, "--log-file", str(self.requests)))]
        self.process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> None:
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(self.argv, stderr=log)
        wait_until("the sockets", lambda: listens(self.socket) and listens(self.plain))

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(DEADLINE) == 0, self.log()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE)
        for path in (self.socket, self.plain):
            path.unlink()

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def seen(self, request: str) -> int:
        """How many times the program has received this request."""
        text = self.requests.read_text() if self.requests.exists() else ""
        return text.splitlines().count(request)


@contextmanager
def running(directory: Path, *options: str, command: tuple[str, ...] = ()) -> Iterator[Daemon]:
    daemon = Daemon(directory, *options, command=command)
    daemon.start()
    assert daemon.process is not None
    try:
        yield daemon
        if daemon.process.poll() is None:
            daemon.stop()
    except BaseException:
        for line in daemon.log().splitlines()[-15:]:
            print(f"# {line}")
        raise
    finally:
        daemon.process.kill()
        daemon.process.wait()


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run work(0) to work(count - 1) at once; raise the first failure of any."""
    failures: list[BaseException] = []
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            gate.wait(DEADLINE)
            work(number)
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
