# SPDX-License-Identifier: MIT
"""Files of lines, asked in the background.

Each batch is a directory of the spool, named by an id that cannot be guessed:
`input`, `result` (line N answers line N) and `status.json`, which all web worker
processes can read. Removing the directory cancels the batch. Lines go out in
chunks that take about half a second each, whatever the program's speed, so that
progress is seen and other people's queries get their turn.
"""
from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, Callable, Iterable, Iterator

from .asking import Ending
from .errors import AskError

MAX_UPLOAD = 8 << 20
MAX_RESULT = 32 << 20
KEEP_BATCHES = 32
KEEP_SECONDS = 3600
RUNNING = 2  # at one time in each web worker process; others wait
MAX_CHUNK = 1024
CHUNK_SECONDS = 0.5
TRIES = 20  # of a line that was not taken, as the queue was full
ID = re.compile(r"[A-Za-z0-9_-]{12}")
BOM = b"\xef\xbb\xbf"

AskMany = Callable[[Iterable[bytes]], Iterator[Ending]]


@dataclass
class Status:
    """What is known of a batch; @state: waiting, running, done, failed."""

    id: str
    name: str
    lines: int
    pid: int
    created: float
    state: str = "waiting"
    done: int = 0
    seconds: float = 0.0
    failed: dict[str, int] = field(default_factory=dict)
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        result = asdict(self)
        del result["pid"], result["created"]
        result["failed_lines"] = sum(self.failed.values())
        return result


class Cancelled(Exception):
    """The batch's directory is gone."""


def save(directory: Path, status: Status) -> None:
    new = directory / "status.new"
    try:
        new.write_text(json.dumps(asdict(status)))
        new.replace(directory / "status.json")
    except FileNotFoundError as error:
        raise Cancelled from error


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def modified_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def store(stream: IO[bytes], path: Path) -> int:
    """Copy an upload, up to its allowed size; returns its number of lines."""
    lines, size, last = 0, 0, b""
    with path.open("wb") as out:
        while piece := stream.read(1 << 16):
            size += len(piece)
            if size > MAX_UPLOAD:
                raise AskError("too-long", f"a file may have {MAX_UPLOAD >> 20} MiB")
            lines += piece.count(b"\n")
            last = piece[-1:]
            out.write(piece)
    lines += last not in (b"", b"\n")
    if not lines:
        raise AskError("bad-request", "the file is empty; each of its lines is one query")
    return lines


def read_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines without their ends; a mark of byte order is none of the first one."""
    for number, line in enumerate(stream):
        if number == 0:
            line = line.removeprefix(BOM)
        yield line.rstrip(b"\n").removesuffix(b"\r")


def as_line(ending: Ending) -> bytes:
    """One line of the result; line ends within a reply would move all that follow."""
    line = ending.as_line().encode("utf-8", "replace") if isinstance(ending, AskError) else ending
    return line.replace(b"\n", b"\\n") + b"\n"


class Run:
    """One batch at work."""

    def __init__(self, directory: Path, status: Status, ask_many: AskMany) -> None:
        self.directory = directory
        self.status = status
        self.ask_many = ask_many
        self.failed: Counter[str] = Counter(status.failed)
        self.chunk = 1

    def run(self) -> None:
        begun = time.monotonic()
        self.status.state = "running"
        save(self.directory, self.status)
        with (self.directory / "input").open("rb") as lines, \
                (self.directory / "result").open("wb") as result:
            source = read_lines(lines)
            while chunk := list(islice(source, self.chunk)):
                self.ask_chunk(chunk, result)
                self.status.seconds = round(time.monotonic() - begun, 3)
                save(self.directory, self.status)
        self.status.state = "done"
        save(self.directory, self.status)
        (self.directory / "input").unlink(missing_ok=True)

    def ask_chunk(self, chunk: list[bytes], result: IO[bytes]) -> None:
        begun = time.monotonic()
        for ending in self.ask_patiently(chunk):
            result.write(as_line(ending))
            if isinstance(ending, AskError):
                self.failed[ending.code] += 1
        result.flush()
        if result.tell() > MAX_RESULT:
            raise AskError("reply-too-long", f"the answers of a file may have {MAX_RESULT >> 20} "
                           f"MiB, which line {self.status.done + len(chunk)} exceeds")
        self.status.done += len(chunk)
        self.status.failed = dict(self.failed)
        took = max(time.monotonic() - begun, 1e-6)
        self.chunk = max(1, min(MAX_CHUNK, self.chunk * 2, int(len(chunk) * CHUNK_SECONDS / took)))

    def ask_patiently(self, chunk: list[bytes]) -> list[Ending]:
        """Ask again, later, what the daemon had no room for: the program has not seen it."""
        endings = list(self.ask_many(chunk))
        for _ in range(TRIES):
            refused = [i for i, ending in enumerate(endings)
                       if isinstance(ending, AskError) and ending.code == "overloaded"]
            if not refused:
                break
            if not self.directory.exists():
                raise Cancelled
            wait = max(getattr(endings[i], "retry_after_ms") or 100 for i in refused)
            time.sleep(min(wait, 2000) / 1000)
            for i, ending in zip(refused, self.ask_many([chunk[i] for i in refused])):
                endings[i] = ending
        return endings


class Batches:
    """All batches of a spool; thread-safe, and safe with other processes on the same spool."""

    def __init__(self, spool: Path, ask_many: AskMany) -> None:
        self.spool = spool
        self.ask_many = ask_many
        self.running = threading.BoundedSemaphore(RUNNING)

    def create(self, name: str, stream: IO[bytes]) -> Status:
        """Store the upload and begin; AskError if it cannot be taken."""
        self.tidy()
        batch_id = secrets.token_urlsafe(9)
        directory = self.spool / batch_id
        directory.mkdir(mode=0o700)
        try:
            lines = store(stream, directory / "input")
            status = Status(batch_id, name[:200], lines, os.getpid(), time.time())
            save(directory, status)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        threading.Thread(target=self.work, args=(directory, status), daemon=True,
                         name=f"batch {batch_id}").start()
        return status

    def work(self, directory: Path, status: Status) -> None:
        try:
            with self.running:
                Run(directory, status, self.ask_many).run()
        except Cancelled:
            pass
        except (AskError, OSError) as error:
            if directory.exists():
                status.state = "failed"
                status.text = error.text if isinstance(error, AskError) else str(error)
                save(directory, status)

    def find(self, batch_id: str) -> Path:
        directory = self.spool / batch_id
        if not ID.fullmatch(batch_id) or not (directory / "status.json").exists():
            raise AskError("not-found", "there is no such batch")
        return directory

    def status(self, batch_id: str) -> Status:
        try:
            status = Status(**json.loads((self.find(batch_id) / "status.json").read_text()))
        except FileNotFoundError as error:
            raise AskError("not-found", "there is no such batch") from error
        if status.state in ("waiting", "running") and not is_running(status.pid):
            status.state = "failed"
            status.text = "the web server was restarted before it was done; upload it again"
        return status

    def result(self, batch_id: str) -> Path:
        if self.status(batch_id).state != "done":
            raise AskError("not-ready", "the batch is not done")
        return self.find(batch_id) / "result"

    def remove(self, batch_id: str) -> None:
        self.drop(self.find(batch_id))

    def drop(self, directory: Path) -> None:
        # Under another name first: who still works on it finds it gone, not half empty.
        gone = self.spool / f"gone-{secrets.token_hex(8)}"
        with suppress(FileNotFoundError):
            directory.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def tidy(self) -> None:
        """Forget what is old, or ended if there are too many; AskError if they all run."""
        ended: list[tuple[float, Path]] = []
        running = 0
        for directory in self.spool.iterdir():
            try:
                status = self.status(directory.name)
                created, is_over = status.created, status.state in ("done", "failed")
            except AskError:  # an upload that still comes, or never will
                created = modified_at(directory)
                is_over = time.time() - created > KEEP_SECONDS
            if is_over:
                ended.append((created, directory))
            else:
                running += 1
        ended.sort()
        while ended and (len(ended) + running >= KEEP_BATCHES
                         or time.time() - ended[0][0] > KEEP_SECONDS):
            self.drop(ended.pop(0)[1])
        if running >= KEEP_BATCHES:
            raise AskError("overloaded", f"{KEEP_BATCHES} batches are at work already; "
                           "retry after 10000 ms", 10000)
