"""Every error as an RFC 9457 problem: what is wrong, where, and how to correct it."""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentkit.errors import (
    AlreadyAnswered,
    AnswerExpired,
    AnswerInvalid,
    AnswerMismatch,
    AnswerNotAllowed,
    AnswerOutdated,
    ConversationBusy,
    ConversationEnded,
    InputRequestNotFound,
    MessageConflict,
    SteeringInvalid,
)
from api.rest.request_bodies import BodyNotJSON
from api.tasks.errors import (
    AnswerRefused,
    AuthenticationFailuresLimited,
    AuthenticationUnavailable,
    ContentErased,
    ConversationErased,
    ConversationNotFound,
    CursorInvalid,
    ErasureRefused,
    FieldIssue,
    FieldPath,
    IdempotencyConflict,
    McpContentRefused,
    McpServerFailed,
    McpServerNotFound,
    McpServerTimedOut,
    MemoryNotServed,
    MemoryNotUsable,
    MemoryRefused,
    MessageRefused,
    NotAuthenticated,
    PayloadUnavailable,
    PositionInvalid,
    RequestInvalid,
    RequestsLimited,
    RoleMissing,
    ServiceError,
    SteeringRefused,
    StoredMemoryNotFound,
    TaskEnded,
    TaskErased,
    TaskNotFound,
    TaskRefused,
    TaskRunning,
    TemporalNotReady,
    TemporalUnreachable,
    TenantLimited,
    TenantNotFound,
    TenantSpent,
    ToolCallFailed,
    ToolCallNotFound,
    ToolCallUnfinished,
    VersionNotFound,
    WatchInterrupted,
    WorkerUnavailable,
    WorkerVersionRefused,
    first_of_issues,
)
from api.tasks.requests.request_validation import issue_text, request_issues

__all__ = [
    "PROBLEM_RESPONSES",
    "Problem",
    "ProblemDetail",
    "UnexpectedErrorMiddleware",
    "install_problems",
    "json_pointer",
    "problem_response",
    "problem_schemas",
    "service_problem",
]

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_RETRY_AFTER = {"Retry-After": "2"}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
logger = logging.getLogger(__name__)

_PROBLEMS: dict[type[ServiceError], tuple[int, str, str]] = {
    RequestInvalid: (422, "invalid", "The request isn't valid"),
    TaskRefused: (422, "task-refused", "The task can't be started"),
    TaskNotFound: (404, "task-not-found", "No such task"),
    SteeringRefused: (422, "steering-refused", "The task doesn't accept this"),
    VersionNotFound: (404, "version-not-found", "No such version of the transcript"),
    ContentErased: (410, "erased", "It was erased"),
    TaskEnded: (409, "task-ended", "The task has ended"),
    TaskErased: (410, "task-erased", "The task was erased"),
    TaskRunning: (409, "task-running", "The task has not ended"),
    ErasureRefused: (409, "erasure-refused", "The task can't be erased alone"),
    ConversationErased: (410, "conversation-erased", "The conversation was erased"),
    ConversationNotFound: (404, "conversation-not-found", "No such conversation"),
    ToolCallNotFound: (404, "tool-call-not-found", "No such tool call"),
    ToolCallUnfinished: (409, "tool-call-unfinished", "The tool call has not ended"),
    ToolCallFailed: (409, "tool-call-failed", "The tool call gave no result"),
    IdempotencyConflict: (409, "idempotency-conflict", "Idempotency-Key used for another body"),
    CursorInvalid: (400, "cursor-invalid", "Wrong cursor"),
    PositionInvalid: (400, "position-invalid", "Wrong position"),
    McpServerNotFound: (404, "mcp-server-not-found", "No such MCP server"),
    McpContentRefused: (422, "mcp-content-refused", "A prompt or resource can't be read"),
    McpServerFailed: (502, "mcp-server-failed", "An MCP server can't be used"),
    McpServerTimedOut: (504, "mcp-server-timed-out", "An MCP server didn't respond in time"),
    StoredMemoryNotFound: (404, "memory-not-found", "No such memory"),
    MemoryRefused: (422, "memory-refused", "The memory can't be stored or listed"),
    MemoryNotServed: (503, "memory-not-served", "Long-term memory can't be reached"),
    NotAuthenticated: (401, "not-authenticated", "No valid key or token"),
    AuthenticationFailuresLimited: (429, "authentication-failures-limited", "Too many invalid keys or tokens"),
    AuthenticationUnavailable: (503, "authentication-unavailable", "The key or token can't be checked"),
    RoleMissing: (403, "role-missing", "Not allowed"),
    RequestsLimited: (429, "requests-limited", "Too many requests"),
    TenantLimited: (429, "tenant-limited", "The tenant has too many running tasks"),
    TenantNotFound: (404, "tenant-not-found", "No such tenant"),
    TenantSpent: (429, "tenant-spent", "The tenant has spent its limit of the day"),
    MemoryNotUsable: (503, "memory-not-usable", "Long-term memory can't be used"),
    WatchInterrupted: (503, "watch-interrupted", "The stream was interrupted"),
    WorkerUnavailable: (503, "workers-silent", "No worker responds"),
    WorkerVersionRefused: (409, "worker-version-refused", "The workers' version doesn't allow this"),
    PayloadUnavailable: (503, "payload-unavailable", "Stored data can't be read or written"),
    TemporalUnreachable: (503, "temporal-unreachable", "Temporal is unreachable"),
    TemporalNotReady: (503, "temporal-not-ready", "Temporal isn't set up"),
}
"""Status, last part of the type, and title of each error."""


_ANSWER_PROBLEMS: dict[type[AnswerInvalid], tuple[int, str, str]] = {
    AnswerInvalid: (422, "answer-mismatch", "The answer doesn't fit"),
    InputRequestNotFound: (404, "input-request-not-found", "No such input request"),
    AlreadyAnswered: (409, "already-answered", "The input request is answered already"),
    AnswerExpired: (409, "answer-expired", "The input request has expired"),
    AnswerNotAllowed: (403, "answer-not-allowed", "Not allowed to answer"),
    AnswerOutdated: (409, "answer-outdated", "The answer is about another call"),
    AnswerMismatch: (422, "answer-mismatch", "The answer doesn't fit"),
}
"""The same for answers that are refused, by their verdict."""


_MESSAGE_PROBLEMS: dict[type[SteeringInvalid], tuple[int, str, str]] = {
    SteeringInvalid: (422, "message-refused", "The conversation doesn't accept this"),
    ConversationBusy: (409, "conversation-busy", "A turn of the conversation runs"),
    ConversationEnded: (409, "conversation-ended", "The conversation has ended"),
    MessageConflict: (409, "idempotency-conflict", "Idempotency-Key used for another body"),
}
"""The same for messages that are refused, by their verdict."""


class ProblemDetail(BaseModel):
    """One thing that is wrong with a request."""

    detail: str
    pointer: str | None = None
    """JSON pointer to the wrong value in the request's body."""
    field: str | None = None
    """Name of the wrong parameter or header."""

    @property
    def place(self) -> str:
        """The place as the text of a problem names it; empty for the complete body."""
        return self.field or (self.pointer or "#").removeprefix("#").removeprefix("/")


class Problem(BaseModel):
    """The body of an error response, in the format of RFC 9457 (problem details)."""

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
"""The description of errors in OpenAPI, for routes."""


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
    """Make ``app`` respond to every error with a problem."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(UnexpectedErrorMiddleware)


def json_pointer(path: FieldPath) -> str:
    """Return a path in a JSON body as a JSON pointer (RFC 6901), as the fragment of a URI."""
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


async def _service_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ServiceError):
        raise error
    return service_problem(error)


def service_problem(error: ServiceError) -> Response:
    """Return the problem of an error of the services."""
    if isinstance(error, RequestInvalid):
        return _invalid_request(map(_body_detail, error.issues))
    status, kind, title = _problem(error)
    errors = [*map(_body_detail, error.issues)] if isinstance(error, TaskRefused) else None
    return problem_response(
        status, str(error), kind=kind, title=title, errors=errors, headers=_problem_headers(error, status)
    )


def _problem_headers(error: ServiceError, status: int) -> dict[str, str]:
    if isinstance(error, NotAuthenticated):
        return _CHALLENGE
    if error.retry_after_s is not None:
        challenge = _CHALLENGE if isinstance(error, AuthenticationFailuresLimited) else {}
        return {"Retry-After": str(math.ceil(error.retry_after_s)), **challenge}
    is_transient = status == 503 and not isinstance(error, PayloadUnavailable | MemoryNotUsable)
    return _RETRY_AFTER if is_transient else {}


def _problem(error: ServiceError) -> tuple[int, str, str]:
    if isinstance(error, AnswerRefused):
        return _ANSWER_PROBLEMS[error.verdict]
    return _MESSAGE_PROBLEMS[error.verdict] if isinstance(error, MessageRefused) else _PROBLEMS[type(error)]


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = error.detail
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"There is nothing at {request.url.path}. GET /docs lists what there is."
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _allowed_methods(request)
        detail = f"{request.url.path} doesn't take {request.method}, only {headers['Allow']}."
    kind, title = ("json-invalid", "Wrong JSON") if isinstance(error, BodyNotJSON) else (None, None)
    return problem_response(error.status_code, detail, kind=kind, title=title, headers=headers)


def _allowed_methods(request: Request) -> str:
    """Return every method of this path; Starlette lists only those of the first route that matches it."""
    scopes = ({**request.scope, "method": method} for method in _METHODS)
    routes = request.app.router.routes
    return ", ".join(scope["method"] for scope in scopes if any(r.matches(scope)[0] is Match.FULL for r in routes))


async def _validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = error.errors()
    if errors and errors[0]["type"] == "json_invalid":
        return _invalid_json(str(error.body), errors[0])
    return _invalid_request(_validation_detail(item, error.body) for item in errors)


def _invalid_request(details: Iterable[ProblemDetail]) -> Response:
    status, kind, title = _PROBLEMS[RequestInvalid]
    errors = list(details)
    text = first_of_issues([(detail.place, detail.detail) for detail in errors])
    return problem_response(status, text, kind=kind, title=title, errors=errors)


def _invalid_json(text: str, error: Mapping[str, Any]) -> Response:
    position = error["loc"][-1]
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    detail = f"The body isn't JSON: {error['ctx']['error']} at line {line}, column {column} (character {position})."
    return problem_response(400, detail, kind="json-invalid", title="Wrong JSON")


def _validation_detail(error: Mapping[str, Any], body: object) -> ProblemDetail:
    source, *loc = error["loc"]
    if source != "body":
        return ProblemDetail(detail=issue_text(error), field=".".join(map(str, loc)))
    if not loc and error["type"] == "missing":
        return ProblemDetail(detail="The body is empty. Send a JSON object", pointer=json_pointer(()))
    (issue,) = request_issues([{**error, "loc": tuple(loc)}], body)
    return _body_detail(issue)


def _body_detail(issue: FieldIssue) -> ProblemDetail:
    return ProblemDetail(detail=issue.text, pointer=json_pointer(issue.path))


class UnexpectedErrorMiddleware:
    """The outermost layer: an unexpected error becomes a problem with an id, under which the log has the cause."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with 500 where the application raises before its response, and 503 where the server stops."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response_started = False

        async def send_and_track(message: Message) -> None:
            nonlocal response_started
            response_started = response_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_track)
        except asyncio.CancelledError:  # Uvicorn's, of a request that outlasts the time to stop
            if response_started:
                raise
            detail = "This API process stops: send the request again."
            await problem_response(503, detail, kind="stopping", headers=_RETRY_AFTER)(scope, receive, send)
        except Exception:  # any: the client gets a response, and the log the cause
            error_id = uuid.uuid4().hex
            task = {"task_id": scope.get("path_params", {}).get("task_id")}
            logger.exception("Unexpected error %s at %s", error_id, scope["path"], extra=task)
            if not response_started:
                detail = f"Something went wrong on our side. The log has it under {error_id}."
                await problem_response(500, detail, kind="unexpected")(scope, receive, send)
