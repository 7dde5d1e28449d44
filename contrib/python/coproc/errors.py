# SPDX-License-Identifier: MIT
"""What can stand in a reply's place: one exception for each error code of coprocd."""
from __future__ import annotations

import re
from typing import Optional

RETRY_AFTER = re.compile(r"retry after (\d+) ms\b")


class CoprocError(Exception):
    """A request ended in an error.

    code            the daemon's word for it, as "crashed"
    text            what happened, for people
    retry_after_ms  when asking again makes sense, if the daemon has said so
    """

    code = "error"

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text
        found = RETRY_AFTER.search(text)
        self.retry_after_ms: Optional[int] = int(found.group(1)) if found else None

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class RequestTimeoutError(CoprocError, TimeoutError):
    """No reply in time: the daemon's request-timeout, or the caller's own time-out."""

    code = "timeout"


class CrashedError(CoprocError):
    """The program ended while it had the request."""

    code = "crashed"


class OverloadedError(CoprocError):
    """The daemon's queue is full; the request was not taken."""

    code = "overloaded"


class UnavailableError(CoprocError):
    """The program, or the daemon, is not running."""

    code = "unavailable"


class TooLongError(CoprocError):
    """The request is longer than max-request; the program has not seen it."""

    code = "too-long"


class ReplyTooLongError(CoprocError):
    """The reply was longer than max-reply; the program was replaced."""

    code = "reply-too-long"


class DesyncError(CoprocError):
    """The stream of replies could no longer be trusted."""

    code = "desync"


class BadRequestError(CoprocError):
    """The daemon lets no such request through; the program has not seen it."""

    code = "bad-request"


class DeniedError(CoprocError):
    """This user may not ask here."""

    code = "denied"


class StoppingError(CoprocError):
    """The daemon is stopping; the request was not taken."""

    code = "stopping"


class ConnectError(UnavailableError, ConnectionError):
    """There is no connection to the daemon; nothing was sent. `errno` says why."""


class ConnectionLostError(UnavailableError, ConnectionError):
    """The connection ended before the reply came; the request may have been taken."""


class ProtocolError(DesyncError):
    """What came from the socket is not coprocd's protocol."""


class NothingSentError(CoprocError):
    """Server.recv(): the calling thread has sent nothing that is unanswered."""

    code = "nothing-sent"


BY_CODE: dict[str, type[CoprocError]] = {
    cls.code: cls for cls in (
        RequestTimeoutError, CrashedError, OverloadedError, UnavailableError, TooLongError,
        ReplyTooLongError, DesyncError, BadRequestError, DeniedError, StoppingError)}


def error_for(code: str, text: str) -> CoprocError:
    """The exception for an error of the daemon, also for a code that is not known here."""
    error = BY_CODE.get(code, CoprocError)(text)
    error.code = code
    return error
