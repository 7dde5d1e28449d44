# SPDX-License-Identifier: MIT
"""Queries from the page to coprocd, never more at once than there are threads to spare."""
from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Optional, Union

import coproc

from .errors import AskError

Ending = Union[bytes, AskError]


@dataclass(frozen=True)
class Answer:
    """What became of one query, @ms after it was asked."""

    query: str
    ms: float
    reply: Optional[str] = None
    error: Optional[AskError] = None

    def as_dict(self) -> dict[str, Any]:
        result: dict[str, Any] = {"query": self.query, "ms": round(self.ms, 2)}
        if self.error is None:
            result["reply"] = self.reply
        else:
            result["error"] = self.error.as_dict()
        return result


def as_ask_error(error: BaseException) -> AskError:
    """Any failure of the client in the terms of the page."""
    if isinstance(error, coproc.CoprocError):
        return AskError(error.code, error.text, error.retry_after_ms)
    if isinstance(error, OSError):
        return AskError("unavailable", f"the daemon cannot be reached: {error}")
    if isinstance(error, ValueError):
        return AskError("bad-request", str(error))
    return AskError("internal", f"{type(error).__name__}: {error}")


def showable(reply: bytes) -> str:
    """The reply as text for a browser; bytes that are no UTF-8 are marked."""
    return reply.decode("utf-8", "replace")


def check_query(query: str) -> Optional[AskError]:
    """What would not arrive as one query, or as this one."""
    if "\n" in query:
        return AskError("bad-request", "a query is one line, this one has a line break")
    try:
        query.encode()
    except UnicodeEncodeError as error:
        return AskError("bad-request", f"not a Unicode text at character {error.start + 1}")
    return None


class Asker:
    """One for each web worker process; thread-safe.

    A query holds its thread until it ends. So that the page and the state of the
    process can be had while all queries wait, at most @limit of them run, which is
    less than the worker has threads; one more is told to come back. The @batches have
    connections of their own.
    """

    def __init__(self, path: str, timeout: float, limit: int, batches: int) -> None:
        self.client = coproc.Client(path, timeout=timeout, pool=limit + batches)
        self.limit = limit
        self.slots = threading.BoundedSemaphore(limit)

    def ask(self, query: str) -> Answer:
        begun = time.monotonic()
        error = check_query(query)
        reply = None
        if error is None and not self.slots.acquire(blocking=False):
            error = AskError("overloaded", "this web server lets no more queries wait than "
                             f"{self.limit}; retry after 1000 ms", 1000)
        elif error is None:
            try:
                reply = showable(self.client.ask(query.encode()))
            except Exception as failure:  # pylint: disable=broad-except
                error = as_ask_error(failure)
            finally:
                self.slots.release()
        return Answer(query, (time.monotonic() - begun) * 1000, reply, error)

    def ask_many(self, lines: Iterable[bytes]) -> Iterator[Ending]:
        """Pipelined, in order, byte for byte."""
        for ending in self.client.ask_many(lines, return_exceptions=True):
            yield as_ask_error(ending) if isinstance(ending, Exception) else ending
