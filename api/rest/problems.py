"""Every error as an RFC 9457 problem: what is wrong, where, and what to do about it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.rest.json_pointer import json_pointer
from api.tasks.errors import (
    CursorInvalid,
    FrontEndError,
    IdempotencyConflict,
    PositionInvalid,
    TaskEnded,
    TaskNotFound,
    TaskRefused,
    TemporalNotReady,
    TemporalUnreachable,
    WatchInterrupted,
    WorkersSilent,
)

__all__ = [
    "PROBLEM_RESPONSES",
    "Problem",
    "ProblemBoundary",
    "ProblemDetail",
    "install_problems",
    "problem_detail",
    "problem_response",
    "problem_schemas",
]

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_log = logging.getLogger(__name__)

_KNOWN: dict[type[FrontEndError], tuple[int, str, str]] = {
    TaskRefused: (422, "task-refused", "The task can't be started"),
    TaskNotFound: (404, "task-not-found", "No such task"),
    TaskEnded: (409, "task-ended", "The task has ended"),
    IdempotencyConflict: (409, "idempotency-conflict", "Idempotency-Key used for another body"),
    CursorInvalid: (400, "cursor-invalid", "Wrong cursor"),
    PositionInvalid: (400, "position-invalid", "Wrong position"),
    WatchInterrupted: (503, "watch-interrupted", "The stream was interrupted"),
    WorkersSilent: (503, "workers-silent", "No worker answers"),
    TemporalUnreachable: (503, "temporal-unreachable", "Temporal is unreachable"),
    TemporalNotReady: (503, "temporal-not-ready", "Temporal isn't set up"),
}


class ProblemDetail(BaseModel):
    """One thing that is wrong with a request."""

    detail: str
    pointer: str | None = None
    """Where in the body, as a JSON pointer."""
    field: str | None = None
    """Which parameter or header."""


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:opspawn:problem:task-not-found",
                "title": "No such task",
                "status": 404,
                "detail": "There is no task 'task-4711'.",
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemDetail] | None = None
    """Each thing that is wrong; with 422."""


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457)",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
"""For routes: what OpenAPI says of their errors."""


def problem_schemas() -> dict[str, Any]:
    """Return the schemas that ``PROBLEM_RESPONSES`` refers to, by name."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def problem_response(
    status: int,
    detail: str,
    *,
    kind: str | None = None,
    title: str | None = None,
    errors: Sequence[ProblemDetail] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem; ``kind`` is the last part of its type."""
    problem = Problem(
        type=f"urn:opspawn:problem:{kind}" if kind else "about:blank",
        title=title or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=None if errors is None else list(errors),
    )
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, status, headers=headers, media_type="application/problem+json")


def install_problems(app: FastAPI) -> None:
    """Have ``app`` answer every error with a problem."""
    app.add_exception_handler(FrontEndError, _front_end_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(ProblemBoundary)


async def _front_end_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, FrontEndError):
        raise error
    status, kind, title = _KNOWN[type(error)]
    errors = None
    if isinstance(error, TaskRefused):
        errors = [ProblemDetail(detail=str(error), pointer=f"#/{error.field}")]
    headers = {"Retry-After": "2"} if status == 503 else None
    return problem_response(status, str(error), kind=kind, title=title, errors=errors, headers=headers)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = error.detail
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"There is nothing at {request.url.path}. GET /docs lists what there is."
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _allowed(request)
        detail = f"{request.url.path} doesn't take {request.method}, only {headers['Allow']}."
    return problem_response(error.status_code, detail, headers=headers)


def _allowed(request: Request) -> str:
    """Return every method of this path; Starlette tells only those of the first route that fits it."""
    scopes = ({**request.scope, "method": method} for method in _METHODS)
    routes = request.app.router.routes
    return ", ".join(one["method"] for one in scopes if any(r.matches(one)[0] is Match.FULL for r in routes))


async def _validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        return _wrong_json(str(error.body), found[0])
    errors = [problem_detail(one, error.body) for one in found]
    first = errors[0]
    where = first.field or (first.pointer or "#").removeprefix("#/")
    also = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    told = f"{where}: {first.detail}" if where not in ("", "#") else first.detail
    return problem_response(422, told + also, kind="invalid", title="The request isn't valid", errors=errors)


def _wrong_json(text: str, error: Mapping[str, Any]) -> Response:
    position = error["loc"][-1]
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    told = f"The body isn't JSON: {error['ctx']['error']} at line {line}, column {column} (character {position})."
    return problem_response(400, told, kind="json-invalid", title="Wrong JSON")


def problem_detail(error: Mapping[str, Any], body: object) -> ProblemDetail:
    """Return one of pydantic's errors in words, without what was sent: it may be large, secret or not even text."""
    place, *path = error["loc"]
    said = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        said = "There is no such field"
    if place != "body":
        return ProblemDetail(detail=said, field=".".join(map(str, path)))
    if not path and error["type"] == "missing":
        said = "The body is empty. Send a JSON object"
    return ProblemDetail(detail=said, pointer=json_pointer(path, body, absent=error["type"] == "missing"))


class ProblemBoundary:
    """The outermost layer: an error nobody foresaw becomes a problem with an id that stands in the log, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; answer 500 where the application raises."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:  # the boundary: whatever it was, the client gets an answer and the log the cause
            error_id = uuid.uuid4().hex
            _log.exception("Unexpected error %s at %s", error_id, scope["path"])
            if not begun:
                told = f"Something went wrong on our side. The log has it under {error_id}."
                await problem_response(500, told, kind="unexpected")(scope, receive, send)
