# SPDX-License-Identifier: MIT
"""What the pages and the interface for programs have in common."""
from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from flask import current_app, request

from .asking import Asker
from .batch import MAX_UPLOAD, Batches
from .errors import AskError
from .state import StateWatch

KEY = "webdemo"
MAX_QUERY_BODY = 1 << 20
FORM_OVERHEAD = 1 << 16


@dataclass(frozen=True)
class Services:
    asker: Asker
    state: StateWatch
    batches: Batches
    program: str
    samples: list[str]


def services() -> Services:
    found: Services = current_app.extensions[KEY]
    return found


def refuse_large(limit: int) -> None:
    """AskError if the body is longer, before it is read."""
    if (request.content_length or 0) > limit:
        raise AskError("too-long", f"{request.content_length} bytes were sent, at most {limit} "
                       "are taken")


def query_of_request() -> str:
    """The query, however it was sent: ?q=, a form, or JSON {"q": ...}."""
    refuse_large(MAX_QUERY_BODY)
    if request.is_json:
        body = request.get_json(silent=True)
        query = body.get("q") if isinstance(body, dict) else None
    else:
        query = request.values.get("q")
    if not isinstance(query, str):
        raise AskError("bad-request", 'there is no query; send q=TEXT, or JSON {"q": "TEXT"}')
    return query


def upload_of_request() -> tuple[str, IO[bytes]]:
    """The name and the bytes of a batch: a form with a file, or the body itself."""
    refuse_large(MAX_UPLOAD + FORM_OVERHEAD)
    if request.mimetype != "multipart/form-data":
        return request.args.get("name", "batch"), request.stream
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise AskError("bad-request", "no file was chosen")
    return upload.filename, upload.stream
