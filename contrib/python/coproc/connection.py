# SPDX-License-Identifier: MIT
"""One connection to a coprocd, requests pipelined; for one thread at a time."""
from __future__ import annotations

import os
import select
import socket
import time
from collections import deque
from typing import Optional, Union

from .errors import (ConnectError, ConnectionLostError, DeniedError, RequestTimeoutError,
                     StoppingError)
from .protocol import Ending, ReplyParser

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

CHUNK = 64 << 10
ACCEPT_RETRY_SECONDS = 0.005
LAST_ERRORS = (DeniedError, StoppingError)
LOST = "the daemon closed the connection before the reply; the request may have been taken"


def connect_error(path: Path, failure: OSError) -> ConnectError:
    error = ConnectError(f"{os.fsdecode(path)}: {failure.strerror or failure}")
    error.errno = failure.errno
    return error


def try_connect(path: Path) -> Optional[socket.socket]:
    """A non-blocking socket, connected; None while the daemon has no room for one more."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect(os.fspath(path))
        return sock
    except BlockingIOError:
        sock.close()
        return None
    except OSError as failure:
        sock.close()
        # In no variable here, from where it would keep all the callers' frames.
        raise connect_error(path, failure) from None


def peek(sock: socket.socket) -> Optional[bytes]:
    """The next byte that has come, b"" at the end of input, None if nothing has come."""
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def connect(path: Path, end: float) -> socket.socket:
    """As try_connect(), but wait for room until time.monotonic() is @end."""
    while True:
        sock = try_connect(path)
        if sock is not None:
            return sock
        if time.monotonic() > end:
            raise RequestTimeoutError(f"{os.fsdecode(path)}: the daemon accepts no connection")
        time.sleep(ACCEPT_RETRY_SECONDS)


class Connection:
    """Requests go out as the daemon takes them, replies come in order.

    asked    how many requests have been put here and have no ending taken
    endings  what has come, to be taken off its left side with take()
    error    why it is of no use any more; None while it is
    ending   whether the daemon closes it when it has said what it has to say
    """

    def __init__(self, sock: socket.socket, status: bool) -> None:
        self.asked = 0
        self.endings: deque[Ending] = deque()
        self.error: Optional[ConnectionLostError] = None
        self.ending = False
        self._sock = sock
        self._pid = os.getpid()
        self._parser = ReplyParser(status)
        self._unsent: deque[bytes] = deque()
        self._offset = 0  # how much of the first one is sent
        self._poll = select.poll()
        self._events = select.POLLIN
        self._poll.register(sock, self._events)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()
        if self.error is None:
            self.error = ConnectionLostError("the connection is closed")

    def is_reusable(self) -> bool:
        """Whether another request may be put here, and gets its own reply."""
        return (self.error is None and not self.ending and not self.asked and not self.endings
                and self._pid == os.getpid() and peek(self._sock) is None)

    def put(self, line: bytes) -> None:
        self._unsent.append(line)
        self.asked += 1

    def take(self) -> Ending:
        self.asked -= 1
        return self.endings.popleft()

    def take_unsent(self) -> list[bytes]:
        """The requests of which not a byte was sent; they are no longer asked here."""
        unsent = list(self._unsent)[1 if self._offset else 0:]
        self.asked -= len(unsent)
        self._unsent.clear()
        return unsent

    def pump(self, wait: Optional[float]) -> bool:
        """Send and receive; wait for that up to so many seconds, None for ever.

        Returns whether anything went or came; what came is in `endings`, and a failure,
        behind which nothing follows, in `error`.
        """
        if self._pid != os.getpid():
            # The process that has made the connection waits for these replies.
            self.error = ConnectionLostError("the connection belongs to the parent process")
        if self.error is not None:
            return False
        moved = bool(self._unsent) and self._send()
        if self.error is None and not moved:
            events = select.POLLIN | (select.POLLOUT if self._unsent else 0)
            if events != self._events:
                self._events = events
                self._poll.modify(self._sock, events)
            for _, happened in self._poll.poll(None if wait is None else max(0.0, wait) * 1000):
                if happened & select.POLLOUT:
                    moved = self._send()
                if happened & ~select.POLLOUT:
                    moved = self._receive() or moved
        return moved

    def _next_bytes(self) -> bytes:
        """What is to be sent next: a large request, or several small ones at once."""
        first = self._unsent[0]
        if len(first) - self._offset >= CHUNK or len(self._unsent) == 1:
            return first[self._offset:]
        lines: list[bytes] = []
        size = 0
        for line in self._unsent:
            lines.append(line)
            size += len(line)
            if size >= self._offset + CHUNK:
                break
        return b"".join(lines)[self._offset:]

    def _send(self) -> bool:
        try:
            sent = self._sock.send(self._next_bytes(), socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError as failure:
            self._fail(failure)
            return False
        sent += self._offset
        while self._unsent and sent >= len(self._unsent[0]):
            sent -= len(self._unsent.popleft())
        self._offset = sent
        return True

    def _receive(self) -> bool:
        try:
            data = self._sock.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError as failure:
            self._lose(failure.strerror or str(failure))
            return False
        if not data:
            self._lose("end of input")
            return False
        self._add(self._parser.feed(data))
        return True

    def _add(self, endings: list[Ending]) -> None:
        self.endings.extend(endings)
        self.ending = self.ending or any(isinstance(e, LAST_ERRORS) for e in endings)
        if len(self.endings) > self.asked:
            while len(self.endings) > self.asked:
                self.endings.pop()
            self._lose("it sent a reply that nothing was asked for")
        elif self._parser.broken:
            self._lose("it does not speak the protocol")

    def _fail(self, failure: OSError) -> None:
        """Sending failed: what the daemon had said before is still there to be read."""
        while self.error is None and self._receive():
            pass
        if self.error is None:
            self._lose(failure.strerror or str(failure))

    def _lose(self, why: str) -> None:
        self.error = ConnectionLostError(f"{LOST} ({why})")
        self._sock.close()


def limit_text(timeout: float) -> str:
    return f"no reply within {timeout:g} s"

