# SPDX-License-Identifier: MIT
"""The class of the well-known recipe (Popen and a non-blocking pipe), on coprocd."""
from __future__ import annotations

import os
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any, Optional, Union

from .connection import Connection, connect, limit_text
from .errors import (ConnectionLostError, CoprocError, CrashedError, NothingSentError,
                     RequestTimeoutError, UnavailableError)
from .launch import Arg, Environment
from .private import PrivateDaemon
from .protocol import decode, encode


class _Default(float):
    """A time-out that the caller has not given."""


class _Caller(threading.local):
    """What one thread has sent and not received."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.connection: Optional[Connection] = None
        self.rest = b""  # of a line whose end was not sent yet
        self.like: deque[Any] = deque()  # "" or b"", as the requests without a reply are
        self.given_up = 0  # of these, how many nobody waits for any more
        self.late = False  # recv() has timed out over the first of the others

    def drop_unless_reusable(self) -> None:
        if self.connection is not None and not self.connection.is_reusable():
            self.connection.close()
            self.connection = None

    def reset(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.__init__()  # type: ignore[misc]


class Server:
    """Starts a program, sends it lines and receives its replies.

    args          program and arguments, as Popen takes them
    server_env    the program's whole environment, as Popen's env; None or empty: ours
    options       more options for coprocd, as ["--reply", "until:OK", "--pty"]
    warm_up       seconds that recv() waits, if it is not told otherwise, for the first
                  reply after a start

    It may be used by any number of threads: each receives the replies to what it has sent
    itself, in that order. The program is ended by close(), at the end of a `with` block,
    with the last reference, at exit, and when this process dies of whatever. If the
    program ends by itself it is started again.

    process       the Popen object of the guard, which ends with the program for good
    """

    def __init__(self, args: Union[Arg, Sequence[Arg]], server_env: Optional[Environment] = None,
                 *, options: Sequence[str] = (), warm_up: float = 60.0) -> None:
        self._daemon = PrivateDaemon(args, server_env, options)
        self._caller = _Caller()
        self._warm_up = warm_up
        self._warm = False
        # At exit too, and the daemon knows nothing of this object, which so may be collected.
        self._finish = weakref.finalize(self, self._daemon.stop)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self._daemon.process

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program; what it has not answered ends in ConnectionLostError."""
        self._caller.reset()
        self._finish()

    def log(self) -> str:
        """The end of what coprocd has logged, for people."""
        return self._daemon.log.text()

    def send(self, data: Union[str, bytes], tail: Union[str, bytes] = "\n") -> None:
        """Send data and tail, and do not wait.

        Each line is a request and has its own reply; what has no newline at its end yet is
        kept until more is sent. If the last recv() has timed out, its reply is dropped when
        it comes, so that the next recv() gets the reply to this.
        """
        like: Union[str, bytes] = b"" if isinstance(data, bytes) else ""
        caller = self._own()
        if caller.late:
            caller.late = False
            caller.given_up += 1
        *lines, caller.rest = (caller.rest + _as_bytes(data) + _as_bytes(tail)).split(b"\n")
        if not caller.like:
            caller.drop_unless_reusable()
        for line in lines:
            if caller.connection is None:
                end = time.monotonic() + self._warm_up
                caller.connection = Connection(connect(self._daemon.path, end), True)
            caller.connection.put(encode(line))
            caller.like.append(like)
        if caller.connection is not None:
            caller.connection.pump(0)

    def recv(self, t: float = _Default(.1), e: object = 1, tr: int = 5,
             stderr: object = 0) -> Any:
        """The reply to the first request of this thread that has none, without white space
        at its end; str or bytes as that was sent.

        t       seconds to wait at all; it returns as soon as the reply is there. If not
                given, the first reply after a start may take as long as `warm_up`
        e       whether to raise an exception when there is nothing: RequestTimeoutError (a
                TimeoutError) after t, CrashedError if the program has ended, any other
                CoprocError, NothingSentError if there is nothing to wait for. If not, the
                result is empty then
        tr      how often the recipe looks in this time; kept for its callers, without effect
        stderr  what the program has written to stderr (the last 1M of it) instead, for
                whichever thread asks first

        Behind a time-out recv() waits for the same reply again.
        """
        del tr
        if stderr:
            return self._recv_stderr(t, e)
        caller = self._own()
        like = caller.like[caller.given_up] if len(caller.like) > caller.given_up else ""
        try:
            reply = self._reply(caller, t)
        except CoprocError:
            if e:
                raise
            return like
        return decode(reply.rstrip(), like)

    def _own(self) -> _Caller:
        caller = self._caller
        if caller.pid != os.getpid():  # forked: what was sent is the parent's
            caller.reset()
        return caller

    def _recv_stderr(self, t: float, e: object) -> str:
        self._daemon.catch_up()
        data = self._daemon.stderr.take(max(0.0, t))
        if not data and e:
            raise RequestTimeoutError(f"nothing on stderr within {t:g} s")
        return data.decode("utf-8", "replace").rstrip()

    def _reply(self, caller: _Caller, t: float) -> bytes:
        connection = caller.connection
        if connection is None or len(caller.like) == caller.given_up:
            rest = f"; a line of {len(caller.rest)} bytes has no end yet" if caller.rest else ""
            raise NothingSentError(
                f"this thread has sent nothing that is unanswered{rest} (each thread receives "
                "the replies to what it has sent)")
        if isinstance(t, _Default) and not self._warm:
            t = self._warm_up
        end = time.monotonic() + t
        while True:
            if len(connection.endings) > caller.given_up:
                return self._take(caller, connection)
            if connection.error is not None:
                caller.reset()
                raise ConnectionLostError(f"{connection.error.text}; coprocd says: "
                                          f"{self.log()[-500:].strip()}")
            left = end - time.monotonic()
            if left <= 0 and not connection.pump(0):
                caller.late = True
                raise RequestTimeoutError(limit_text(t))
            connection.pump(left)

    def _take(self, caller: _Caller, connection: Connection) -> bytes:
        while caller.given_up:
            connection.take()
            caller.like.popleft()
            caller.given_up -= 1
        caller.like.popleft()
        caller.late = False
        ending = connection.take()
        if isinstance(ending, bytes):
            self._warm = True
            return ending
        if isinstance(ending, (CrashedError, UnavailableError)):
            self._warm = False
        raise self._explained(ending)

    def _explained(self, error: CoprocError) -> CoprocError:
        """With the program's last words, which coprocd does not see here."""
        if isinstance(error, (CrashedError, UnavailableError)):
            self._daemon.catch_up()
            last = self._daemon.stderr.last_line()
            if last:
                error.text += f'; last line on stderr: "{last}"'
        return error


def _as_bytes(text: Union[str, bytes]) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
