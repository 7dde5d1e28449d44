# SPDX-License-Identifier: MIT
"""A client for programs with threads."""
from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import Any, AnyStr, Iterable, Iterator, Literal, Optional, Union, overload

from .connection import Connection, Path, connect, limit_text
from .errors import ConnectionLostError, CoprocError, RequestTimeoutError
from .protocol import Ending, decode, encode

FOR_EVER = float("inf")

# Requests of a batch that are with the daemon at one time; by default it reads no more.
BATCH_AHEAD = 64


def left_of(end: float) -> Optional[float]:
    """The seconds until time.monotonic() is @end; None for ever."""
    return None if end == FOR_EVER else end - time.monotonic()


class Client:
    """Asks the program behind a coprocd; any number of threads may use one at once.

    path     the daemon's socket
    timeout  seconds for a request, from the call to its reply; None for ever
    status   whether the listener has replies=status. On a plain one (False) each line is
             one reply, and a line `coprocd: error: CODE: text` is raised as that error
    pool     connections at one time; a further caller waits for one, within its time-out

    Nothing is connected before the first request. A request is never sent twice: if the
    daemon was restarted since the last one, a new connection is made first; if the
    connection is lost behind a request, that ends in ConnectionLostError.
    """

    def __init__(self, path: Path, *, timeout: Optional[float] = 30.0, status: bool = True,
                 pool: int = 8) -> None:
        if pool < 1:
            raise ValueError(f"pool is {pool}, it has to be 1 or more")
        self.path = path
        self.timeout = timeout
        self._status = status
        self._pool = pool
        self._reset()
        clients.add(self)

    def _reset(self) -> None:
        self._free = threading.Condition()
        self._idle: list[Connection] = []  # the one used last is at the end
        self._all: set[Connection] = set()
        self._opening = 0
        self._closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is idle now, and what others use when they have their reply."""
        with self._free:
            self._closed = True
            for connection in self._idle:
                self._drop(connection)
            self._idle.clear()
            self._free.notify_all()

    def forget_parent(self) -> None:
        """In a forked child: the connections, and the locks' state, are the parent's."""
        closed, connections = self._closed, self._all
        self._reset()
        self._closed = closed
        for connection in connections:
            connection.close()

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._all.discard(connection)

    def ask(self, request: AnyStr, timeout: Optional[float] = None) -> AnyStr:
        """The reply to a request, without its last LF, as str or bytes as the request is.

        timeout  seconds, in place of the client's

        Raises CoprocError, each code as its own class, and ValueError for a request of
        more than one line.
        """
        line = encode(request)
        limit = self.timeout if timeout is None else timeout
        end = FOR_EVER if limit is None else time.monotonic() + limit
        ending = self._ask(line, limit, end)
        if isinstance(ending, CoprocError):
            raise ending
        reply: AnyStr = decode(ending, request)
        return reply

    def _ask(self, line: bytes, limit: Optional[float], end: float) -> Ending:
        connection = self._take(limit, end)
        try:
            connection.put(line)
            connection.pump(0)
            if connection.error is not None and not connection.endings and connection.take_unsent():
                # The daemon went since the look at the connection, and has nothing of this.
                self._give_back(connection)
                connection = self._take(limit, end)
                connection.put(line)
            while not connection.endings:
                if connection.error is not None:
                    raise connection.error
                left = left_of(end)
                if left is not None and left <= 0:
                    raise RequestTimeoutError(limit_text(limit or 0))
                connection.pump(left)
            return connection.take()
        finally:
            self._give_back(connection)

    def _take(self, limit: Optional[float], end: float) -> Connection:
        """A connection for the caller alone."""
        with self._free:
            while True:
                if self._closed:
                    raise ConnectionLostError("the client is closed")
                while self._idle:
                    connection = self._idle.pop()
                    if connection.is_reusable():
                        return connection
                    self._drop(connection)
                if len(self._all) + self._opening < self._pool:
                    self._opening += 1
                    break
                left = left_of(end)
                if left is not None and left <= 0:
                    raise RequestTimeoutError(f"{limit_text(limit or 0)}: all {self._pool} "
                                              "connections of this client are in use")
                self._free.wait(left)
        opened: Optional[Connection] = None
        try:
            opened = Connection(connect(self.path, end), self._status)
            return opened
        finally:
            with self._free:
                self._opening -= 1
                if opened is not None:
                    self._all.add(opened)
                else:
                    self._free.notify()

    def _give_back(self, connection: Connection) -> None:
        """Keep it for the next caller, unless a reply may still come on it."""
        with self._free:
            if connection not in self._all:
                return  # it was the parent's
            done = not (connection.asked or connection.ending or connection.error)
            if self._closed or not done:
                self._drop(connection)
            else:
                self._idle.append(connection)
            self._free.notify()

    @overload
    def ask_many(self, requests: Iterable[AnyStr], timeout: Optional[float] = None, *,
                 return_exceptions: Literal[False] = False) -> Iterator[AnyStr]: ...

    @overload
    def ask_many(self, requests: Iterable[AnyStr], timeout: Optional[float] = None, *,
                 return_exceptions: bool) -> Iterator[Union[AnyStr, Exception]]: ...

    def ask_many(self, requests: Iterable[Any], timeout: Optional[float] = None, *,
                 return_exceptions: bool = False) -> Iterator[Any]:
        """The replies to many requests, in their order, pipelined on one connection.

        timeout            seconds for each, from its sending or the reply before it
        return_exceptions  yield what ask() would raise, and go on, instead of raising it

        Requests are taken from the iterable up to 64 ahead of the replies. Those that
        were sent behind one that timed out, or on a connection that was lost, end like it.
        """
        limit = self.timeout if timeout is None else timeout
        batch = _Batch(self, requests, limit)
        try:
            for request, ending in batch.run():
                if not isinstance(ending, Exception):
                    yield decode(ending, request)
                elif return_exceptions:
                    yield ending
                else:
                    raise ending
        finally:
            batch.leave()

    # What a batch needs of the pool.
    take_connection = _take
    give_back_connection = _give_back


class _Batch:
    """One run of ask_many(): what is asked, in order, and the connection it is asked on."""

    def __init__(self, client: Client, requests: Iterable[Any], limit: Optional[float]) -> None:
        self.client = client
        self.requests = iter(requests)
        self.limit = limit
        self.connection: Optional[Connection] = None
        self.exhausted = False
        self.fruitless = 0  # connections in a row that took nothing
        # Requests without an ending, in order; with an exception if it was none at all.
        self.open: deque[tuple[Any, Optional[Exception]]] = deque()
        self.again: deque[bytes] = deque()  # of the last ones, which a lost connection did not take

    def leave(self) -> None:
        if self.connection is not None:
            self.client.give_back_connection(self.connection)
            self.connection = None

    def end(self) -> float:
        return FOR_EVER if self.limit is None else time.monotonic() + self.limit

    def run(self) -> Iterator[tuple[Any, Union[bytes, Exception]]]:
        self.fill()
        while self.open:
            request, invalid = self.open[0]
            if invalid is not None:
                self.open.popleft()
                yield request, invalid
            elif self.connection is not None and self.connection.endings:
                self.open.popleft()
                self.fruitless = 0
                yield request, self.connection.take()
            else:
                failure = self.wait()
                if failure is not None:
                    yield from self.fail(failure)
            self.fill()

    def fill(self) -> None:
        """Take requests from the iterable until enough are open."""
        while not self.exhausted and len(self.open) < BATCH_AHEAD:
            try:
                request = next(self.requests)
            except StopIteration:
                self.exhausted = True
                return
            try:
                self.again.append(encode(request))
            except (TypeError, ValueError) as error:
                self.open.append((request, error))
            else:
                self.open.append((request, None))

    def wait(self) -> Optional[Exception]:
        """Until there is an ending; returns why there is none."""
        end = self.end()
        try:
            if self.connection is None:
                self.connection = self.client.take_connection(self.limit, end)
        except (CoprocError, OSError) as error:
            return error
        while self.again:
            self.connection.put(self.again.popleft())
        while not self.connection.endings:
            if self.connection.error is not None:
                return self.connection.error
            left = left_of(end)
            if left is not None and left <= 0:
                return RequestTimeoutError(limit_text(self.limit or 0))
            self.connection.pump(left)
        return None

    def fail(self, failure: Exception) -> Iterator[tuple[Any, Exception]]:
        """End what was sent; what was not is asked on another connection."""
        if self.connection is not None:
            self.again.extendleft(reversed(self.connection.take_unsent()))
        valid = sum(invalid is None for _, invalid in self.open)
        self.fruitless += valid == len(self.again)
        if valid == len(self.again) and (self.connection is None or self.fruitless > 1):
            self.again.popleft()
        self.leave()
        sent = valid - len(self.again)
        while sent:
            request, invalid = self.open.popleft()
            sent -= invalid is None
            yield request, invalid or failure


clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(clients):
        client.forget_parent()


os.register_at_fork(after_in_child=_after_fork)
