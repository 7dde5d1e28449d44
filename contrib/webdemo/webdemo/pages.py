# SPDX-License-Identifier: MIT
"""The pages. They work without a script; with one they are filled in place."""
from __future__ import annotations

import time
from typing import Any, Optional

from flask import (Blueprint, Flask, Response, current_app, make_response, redirect,
                   render_template, request, url_for)
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from .api import batch_dict, error_response, with_retry
from .asking import Answer, as_ask_error, showable
from .errors import AskError
from .services import query_of_request, services, upload_of_request

SHOWN = 20000  # characters of an answer; the rest is counted
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
                               "img-src 'self'; connect-src 'self'; form-action 'self'; "
                               "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

blueprint = Blueprint("pages", __name__)


def page(template: str, failure: Optional[AskError] = None, **values: Any) -> Response:
    here = services()
    response = make_response(render_template(
        template, state=here.state.get(), samples=here.samples, program=here.program,
        offline=AskError("offline", "no response").as_dict(), shown=SHOWN, **values))
    if failure is not None:
        response.status_code = failure.status
        with_retry(response, failure)
    return response


@blueprint.route("/", methods=["GET", "POST"])
def index() -> Response:
    if request.method == "GET" and "q" not in request.args:
        return page("index.html")
    answer = services().asker.ask(query_of_request())
    return page("index.html", answer.error, answer=answer)


@blueprint.get("/samples")
def samples() -> Response:
    """All sample queries at once, for a page without a script."""
    queries = services().samples
    begun = time.monotonic()
    answers = []
    for query, ending in zip(queries, services().asker.ask_many(q.encode() for q in queries)):
        ms = (time.monotonic() - begun) * 1000
        answers.append(Answer(query, ms, error=ending) if isinstance(ending, AskError)
                       else Answer(query, ms, reply=showable(ending)))
    return page("index.html", sample_answers=answers)


@blueprint.post("/batch")
def create_batch() -> BaseResponse:
    status = services().batches.create(*upload_of_request())
    return redirect(url_for("pages.batch", batch_id=status.id), 303)


@blueprint.get("/batch/<batch_id>")
def batch(batch_id: str) -> Response:
    return page("batch.html", batch=batch_dict(batch_id))


@blueprint.post("/batch/<batch_id>/cancel")
def cancel(batch_id: str) -> BaseResponse:
    services().batches.remove(batch_id)
    return redirect(url_for("pages.index"), 303)


def show_error(error: AskError) -> Response:
    if request.path.startswith("/api/"):
        return error_response(error)
    return page("index.html", error, error=error)


def on_failure(failure: Exception) -> Response:
    """Whatever has gone wrong, as something that a person understands."""
    if isinstance(failure, AskError):
        return show_error(failure)
    if not isinstance(failure, HTTPException):
        current_app.logger.exception("%s %s", request.method, request.path)
        return show_error(as_ask_error(failure))
    code = {404: "not-found", 413: "too-long"}.get(failure.code or 500, "bad-request")
    response = show_error(AskError(code, failure.description or failure.name))
    response.status_code = failure.code or 500
    return response


def refuse_foreign() -> Optional[Response]:
    """Other sites must not query the program through their visitors' browsers."""
    if request.headers.get("Sec-Fetch-Site") != "cross-site":
        return None
    if request.method == "GET" and request.path == "/" and not request.args:
        return None
    return show_error(AskError("denied", "the query came from a page of another site"))


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def register_everywhere(app: Flask) -> None:
    app.before_request(refuse_foreign)
    app.after_request(add_headers)
    app.register_error_handler(Exception, on_failure)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
