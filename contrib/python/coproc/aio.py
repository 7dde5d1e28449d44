# SPDX-License-Identifier: MIT
"""A client for asyncio: any number of requests at once, pipelined on one connection."""
from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import deque
from typing import AnyStr, Optional

from .connection import (ACCEPT_RETRY_SECONDS, LAST_ERRORS, LOST, Path, limit_text, peek,
                         try_connect)
from .errors import ConnectionLostError, CoprocError, RequestTimeoutError
from .protocol import Ending, ReplyParser, decode, encode

FOR_EVER = float("inf")


class _Link(asyncio.Protocol):
    """One connection. What was sent on it has its place in `waiting` until its reply came,
    also if nobody waits for that any more."""

    def __init__(self, sock: socket.socket, status: bool) -> None:
        self.sock = sock
        self.pid = os.getpid()
        self.parser = ReplyParser(status)
        self.waiting: deque[asyncio.Future[bytes]] = deque()
        self.room: Optional[asyncio.Future[None]] = None  # while too much is unsent
        self.lost: Optional[Exception] = None
        self.retired = False  # nothing more is asked here
        self.transport: Optional[asyncio.Transport] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def pause_writing(self) -> None:
        self.room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self.room is not None and not self.room.done():
            self.room.set_result(None)
        self.room = None

    def is_usable(self) -> bool:
        if self.retired or self.lost is not None or self.pid != os.getpid():
            return False
        come = peek(self.sock)
        return come is None or (bool(self.waiting) and come != b"")

    def ask(self, line: bytes) -> asyncio.Future[bytes]:
        assert self.transport is not None
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.waiting.append(reply)
        self.transport.write(line)
        return reply

    def data_received(self, data: bytes) -> None:
        for ending in self.parser.feed(data):
            if not self.waiting:
                self.lose("it sent a reply that nothing was asked for")
                return
            self.retired = self.retired or isinstance(ending, LAST_ERRORS)
            end(self.waiting.popleft(), ending)
        if self.parser.broken:
            self.lose("it does not speak the protocol")
        self.close_if_done()

    def retire(self) -> None:
        self.retired = True
        self.close_if_done()

    def close_if_done(self) -> None:
        if self.retired and all(reply.done() for reply in self.waiting):
            self.lose("it is retired")

    def lose(self, why: str) -> None:
        """End all that waits, and the connection."""
        if self.lost is None:
            self.lost = ConnectionLostError(f"{LOST} ({why})")
        while self.waiting:
            end(self.waiting.popleft(), ConnectionLostError(str(self.lost.args[0])))
        self.resume_writing()
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self.lose(str(exc) if exc else "end of input")


def end(reply: asyncio.Future[bytes], ending: Ending) -> None:
    """A reply that was cancelled or timed out is dropped here."""
    if reply.done():
        return
    if isinstance(ending, CoprocError):
        reply.set_exception(ending)
    else:
        reply.set_result(ending)


class AsyncClient:
    """Asks the program behind a coprocd, from the tasks of one event loop.

    path     the daemon's socket
    timeout  seconds for a request, from the call to its reply; None for ever
    status   whether the listener has replies=status. On a plain one (False) each line is
             one reply, and a line `coprocd: error: CODE: text` is raised as that error

    All requests go over one connection, made with the first one and again after it was
    lost. A request is never sent twice. A task that is cancelled drops its reply and
    nobody else's. Behind a request that timed out nothing more is sent on that connection,
    which then ends with the last reply that somebody waits for.
    """

    def __init__(self, path: Path, *, timeout: Optional[float] = 30.0,
                 status: bool = True) -> None:
        self.path = path
        self.timeout = timeout
        self._status = status
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._link: Optional[_Link] = None
        self._connecting: Optional[asyncio.Task[None]] = None
        self._closed = False

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; who still waits gets a ConnectionLostError."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._link is not None:
            self._link.lose("the client was closed")
            self._link = None
        await asyncio.sleep(0)  # the transport closes its socket in the next round

    async def ask(self, request: AnyStr, timeout: Optional[float] = None) -> AnyStr:
        """The reply to a request, without its last LF, as str or bytes as the request is.

        timeout  seconds, in place of the client's

        Raises CoprocError, each code as its own class, and ValueError for a request of
        more than one line.
        """
        line = encode(request)
        limit = self.timeout if timeout is None else timeout
        finish = FOR_EVER if limit is None else time.monotonic() + limit
        link = await self._ready(limit, finish)
        # Nothing may be awaited from here to the sending: the link is usable now.
        reply = link.ask(line)
        timer = None
        if limit is not None:
            timer = asyncio.get_running_loop().call_later(
                max(0.0, finish - time.monotonic()), self._expire, link, reply, limit)
        try:
            answer: AnyStr = decode(await reply, request)
            return answer
        finally:
            if timer is not None:
                timer.cancel()
            if reply.cancelled():
                link.close_if_done()

    def _expire(self, link: _Link, reply: asyncio.Future[bytes], limit: float) -> None:
        if not reply.done():
            reply.set_exception(RequestTimeoutError(limit_text(limit)))
            link.retire()

    async def _ready(self, limit: Optional[float], finish: float) -> _Link:
        """A link that takes a request without waiting."""
        self._check_loop()
        while True:
            if self._closed:
                raise ConnectionLostError("the client is closed")
            link = self._link
            awaited: asyncio.Future[None]
            if link is None or not link.is_usable():
                awaited = self._connected()
            elif link.room is not None:
                awaited = link.room
            else:
                return link
            left = None if limit is None else max(0.0, finish - time.monotonic())
            # Others wait for it too: it goes on when this task is cancelled or out of time.
            await asyncio.wait({awaited}, timeout=left)
            if not awaited.done():
                raise RequestTimeoutError(
                    f"{limit_text(limit or 0)}: the daemon takes no requests")
            if not awaited.cancelled():
                awaited.result()

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            if not self._loop.is_closed():
                raise RuntimeError("this AsyncClient is used by another event loop")
            self._link = self._connecting = None
        self._loop = loop

    def _connected(self) -> asyncio.Task[None]:
        """The one task that makes a connection."""
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add_done_callback(_retrieve)
        return self._connecting

    async def _connect(self) -> None:
        sock = try_connect(self.path)
        while sock is None:
            await asyncio.sleep(ACCEPT_RETRY_SECONDS)
            sock = try_connect(self.path)
        if self._link is not None:
            self._link.retire()
        link = _Link(sock, self._status)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=sock)
        self._link = link


def _retrieve(task: asyncio.Task[None]) -> None:
    """Let no failure be reported as unseen because all who waited have left."""
    if not task.cancelled():
        task.exception()
