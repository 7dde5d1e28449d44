# SPDX-License-Identifier: MIT
"""The line protocol, without any input or output: requests to bytes, bytes to replies."""
from __future__ import annotations

from typing import Any, Optional, Union

from .errors import CoprocError, ProtocolError, error_for

PLAIN_ERROR = b"coprocd: error: "
MAX_COUNT_DIGITS = 15

# How a request has ended.
Ending = Union[bytes, CoprocError]


def encode(request: Any) -> bytes:
    """The bytes of a request as they are sent. Raises ValueError or TypeError if it is none.

    Text is UTF-8; what os.fsdecode() has made of other bytes becomes those again.
    """
    if isinstance(request, str):
        line = request.encode("utf-8", "surrogateescape")
    elif isinstance(request, bytes):
        line = request
    else:
        raise TypeError(f"a request is str or bytes, not {type(request).__name__}")
    at = line.find(b"\n")
    if at >= 0:
        raise ValueError(f"a request is one line: there is a newline at byte {at} of {len(line)}; "
                         "ask each line on its own, or all of them with ask_many()")
    # The daemon drops one CR before the LF, which must not be one of the request.
    return line + (b"\r\n" if line.endswith(b"\r") else b"\n")


def decode(reply: bytes, like: Any) -> Any:
    """The reply in the type of the request that it belongs to."""
    return reply.decode("utf-8", "surrogateescape") if isinstance(like, str) else reply


def parse_error(line: bytes) -> CoprocError:
    """The exception for `CODE text`, or `CODE: text` as plain listeners have it."""
    code, _, text = line.decode("utf-8", "replace").partition(" ")
    return error_for(code.rstrip(":"), text)


class ReplyParser:
    """Cuts what a listener sends into replies.

    status  whether the listener has replies=status; else each line is one reply

    Replies come without their last LF. Once `broken`, it takes nothing more.
    """

    def __init__(self, status: bool) -> None:
        self.broken = False
        self._status = status
        self._bytes = bytearray()
        self._begin = 0  # of the reply that is being read
        self._scanned = 0  # no LF between a reply's known lines and here
        self._lines_left: Optional[int] = None  # of a reply of several lines

    def feed(self, data: bytes) -> list[Ending]:
        """Take what was received; returns the endings that are complete now."""
        endings: list[Ending] = []
        self._bytes += data
        while not self.broken:
            at = self._bytes.find(b"\n", self._scanned)
            if at < 0:
                self._scanned = len(self._bytes)
                self._check_start(endings)
                break
            self._scanned = at + 1
            self._take_line(at, endings)
        del self._bytes[:self._begin]
        self._scanned -= self._begin
        self._begin = 0
        return endings

    def _end(self, ending: Ending, endings: list[Ending]) -> None:
        endings.append(ending)
        self._lines_left = None
        self._begin = self._scanned

    def _break(self, text: str, endings: list[Ending]) -> None:
        self.broken = True
        self._bytes.clear()
        self._begin = self._scanned = 0
        endings.append(ProtocolError(text))

    def _break_foreign(self, line: bytes, endings: list[Ending]) -> None:
        self._break(f"the listener does not seem to have replies=status, it sent {line[:20]!r}; "
                    "for a plain one use status=False", endings)

    def _check_start(self, endings: list[Ending]) -> None:
        """Do not wait for the rest of a line that is none of this protocol."""
        start = bytes(self._bytes[self._begin:self._begin + 20])
        if self._status and self._lines_left is None and start and start[:1] not in b"+*-":
            self._break_foreign(start, endings)

    def _take_line(self, at: int, endings: list[Ending]) -> None:
        if self._lines_left is not None:
            self._lines_left -= 1
            if self._lines_left == 0:
                self._end(bytes(self._bytes[self._begin:at]), endings)
            return
        line = bytes(self._bytes[self._begin:at])
        if not self._status:
            is_error = line.startswith(PLAIN_ERROR)
            self._end(parse_error(line[len(PLAIN_ERROR):]) if is_error else line, endings)
        elif line.startswith(b"+"):
            self._end(line[1:], endings)
        elif line.startswith(b"-"):
            self._end(parse_error(line[1:]), endings)
        elif line.startswith(b"*"):
            self._take_count(line[1:], endings)
        else:
            self._break_foreign(line, endings)

    def _take_count(self, digits: bytes, endings: list[Ending]) -> None:
        if not digits.isdigit() or len(digits) > MAX_COUNT_DIGITS:
            self._break(f"not a number of lines: {digits[:20]!r}", endings)
        elif int(digits) == 0:
            self._end(b"", endings)
        else:
            self._lines_left = int(digits)
            self._begin = self._scanned
