# SPDX-License-Identifier: MIT
"""What each error code means to the person before the page."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Meaning:
    """@status is HTTP's; @again: whether the same query may well succeed later."""

    status: int
    title: str
    happened: str
    advice: str
    again: bool


MEANINGS = {
    "timeout": Meaning(
        504, "No answer in time",
        "The program took longer over this query than it is given. It goes on running; "
        "a late answer is thrown away and cannot turn up as somebody else's.",
        "Ask again. If it happens again, try a smaller query.", True),
    "crashed": Meaning(
        502, "The program ended while it worked on this query",
        "It is being started again by itself. Queries that were waiting still get their answers.",
        "Ask again. Should this query end the program each time, ask something else and tell "
        "whoever runs it.", True),
    "overloaded": Meaning(
        503, "Too many queries at this moment",
        "The queue is full, so this query was not taken. Nothing is broken.",
        "Wait a moment, then ask again.", True),
    "unavailable": Meaning(
        503, "The program is not running",
        "It could not be started, has not started yet, or nobody runs it.",
        "Ask again in a while. If that does not help, its log says why it does not start.", True),
    "too-long": Meaning(
        413, "The query is too long",
        "It has more bytes than the program may be given, so it was not passed on.",
        "Shorten it, or ask in several parts; a file of many lines goes into the batch form.",
        False),
    "reply-too-long": Meaning(
        502, "The answer is too long",
        "The program wrote more than an answer may have. It was replaced by a fresh one.",
        "Ask for less.", False),
    "desync": Meaning(
        502, "The answer could not be trusted",
        "The program wrote something that no query had asked for, so that nobody can tell which "
        "answer is whose. Rather than guess, it is replaced by a fresh one.",
        "Ask again.", True),
    "bad-request": Meaning(
        400, "This query is not allowed",
        "It holds something that the program must not be given, so it was not passed on.",
        "The detail below says what. Change the query and ask again.", False),
    "denied": Meaning(
        403, "You may not ask here",
        "The service does not take queries from where this one came.",
        "Ask whoever runs it for access.", False),
    "stopping": Meaning(
        503, "The service is being stopped",
        "It finishes what it has begun and takes no more queries.",
        "Ask again when it is back; a restart takes a few seconds.", True),
    "not-found": Meaning(
        404, "There is nothing at this address",
        "The page or batch does not exist, or not any more: a batch is kept for an hour.",
        "Go back to the first page.", False),
    "not-ready": Meaning(
        409, "The answers are not complete yet",
        "The batch is still being worked on.", "Download them when it is done.", True),
    "internal": Meaning(
        500, "The page itself has a fault",
        "Something went wrong between you and the program.",
        "Ask again; the web server's log says what it was.", True),
    # Said by the page alone, when it cannot reach its own server.
    "offline": Meaning(
        0, "The page has lost its server",
        "The web server does not answer: it was stopped, or the network is down.",
        "The page keeps trying by itself. Ask again when it is back.", True),
}


class AskError(Exception):
    """An error that a person is to be told: a code of MEANINGS and the detail."""

    def __init__(self, code: str, text: str, retry_after_ms: Optional[int] = None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code if code in MEANINGS else "internal"
        self.text = text
        self.retry_after_ms = retry_after_ms

    @property
    def status(self) -> int:
        return MEANINGS[self.code].status

    def as_line(self) -> str:
        """The line that stands for the reply, as on a plain listener of coprocd."""
        return f"coprocd: error: {self.code}: {self.text}".replace("\n", " ")

    def as_dict(self) -> dict[str, Any]:
        meaning = MEANINGS[self.code]
        return {"code": self.code, "text": self.text, "retry_after_ms": self.retry_after_ms,
                "title": meaning.title, "happened": meaning.happened, "advice": meaning.advice,
                "again": meaning.again}
