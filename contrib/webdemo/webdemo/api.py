# SPDX-License-Identifier: MIT
"""The interface for programs, and for the page's own script: JSON."""
from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, send_file, url_for

from .errors import AskError
from .services import query_of_request, services, upload_of_request

blueprint = Blueprint("api", __name__, url_prefix="/api")


def error_response(error: AskError) -> Response:
    response = jsonify(error=error.as_dict())
    response.status_code = error.status
    return with_retry(response, error)


def with_retry(response: Response, error: AskError) -> Response:
    if error.retry_after_ms is not None:
        response.headers["Retry-After"] = str(max(1, -(-error.retry_after_ms // 1000)))
    return response


def batch_dict(batch_id: str) -> dict[str, Any]:
    result = services().batches.status(batch_id).as_dict()
    result["url"] = url_for("api.batch", batch_id=batch_id)
    if result["state"] == "done":
        result["result_url"] = url_for("api.result", batch_id=batch_id)
    return result


@blueprint.route("/ask", methods=["GET", "POST"])
def ask() -> Response:
    answer = services().asker.ask(query_of_request())
    response = jsonify(answer.as_dict())
    if answer.error is not None:
        response.status_code = answer.error.status
        with_retry(response, answer.error)
    return response


@blueprint.get("/state")
def state() -> Response:
    return jsonify(services().state.get())


@blueprint.post("/batch")
def create_batch() -> Response:
    status = services().batches.create(*upload_of_request())
    response = jsonify(batch_dict(status.id))
    response.status_code = 202
    response.headers["Location"] = url_for("api.batch", batch_id=status.id)
    return response


@blueprint.get("/batch/<batch_id>")
def batch(batch_id: str) -> Response:
    return jsonify(batch_dict(batch_id))


@blueprint.delete("/batch/<batch_id>")
def cancel(batch_id: str) -> Response:
    services().batches.remove(batch_id)
    return Response(status=204)


@blueprint.get("/batch/<batch_id>/result")
def result(batch_id: str) -> Response:
    path = services().batches.result(batch_id)
    return send_file(path, mimetype="text/plain", as_attachment=True,
                     download_name="answers.txt", max_age=0)
