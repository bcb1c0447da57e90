"""Map errors to gRPC's rich statuses, here only."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc.aio import BaseError, ServicerContext
from grpc_status import rpc_status

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
from api.tasks.errors import (
    AnswerRefused,
    AuthenticationFailuresLimited,
    AuthenticationUnavailable,
    ContentErased,
    ConversationErased,
    ConversationNotFound,
    CursorInvalid,
    ErasureRefused,
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

__all__ = ["DOMAIN", "error_status", "errors_as_status", "field_path"]

DOMAIN = "opspawn"
_RETRY_DELAY_S = 2
logger = logging.getLogger(__name__)


_STATUSES: dict[type[ServiceError], tuple[StatusCode, str]] = {
    AuthenticationFailuresLimited: (StatusCode.RESOURCE_EXHAUSTED, "AUTHENTICATION_FAILURES_LIMITED"),
    AuthenticationUnavailable: (StatusCode.UNAVAILABLE, "AUTHENTICATION_UNAVAILABLE"),
    ContentErased: (StatusCode.NOT_FOUND, "ERASED"),
    ConversationErased: (StatusCode.NOT_FOUND, "CONVERSATION_ERASED"),
    ConversationNotFound: (StatusCode.NOT_FOUND, "CONVERSATION_NOT_FOUND"),
    CursorInvalid: (StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID"),
    ErasureRefused: (StatusCode.FAILED_PRECONDITION, "ERASURE_REFUSED"),
    IdempotencyConflict: (StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT"),
    McpContentRefused: (StatusCode.INVALID_ARGUMENT, "MCP_CONTENT_REFUSED"),
    McpServerFailed: (StatusCode.UNAVAILABLE, "MCP_SERVER_FAILED"),
    McpServerNotFound: (StatusCode.NOT_FOUND, "MCP_SERVER_NOT_FOUND"),
    McpServerTimedOut: (StatusCode.UNAVAILABLE, "MCP_SERVER_TIMED_OUT"),
    MemoryNotServed: (StatusCode.UNAVAILABLE, "MEMORY_NOT_SERVED"),
    MemoryNotUsable: (StatusCode.FAILED_PRECONDITION, "MEMORY_NOT_USABLE"),
    MemoryRefused: (StatusCode.INVALID_ARGUMENT, "MEMORY_REFUSED"),
    NotAuthenticated: (StatusCode.UNAUTHENTICATED, "NOT_AUTHENTICATED"),
    PayloadUnavailable: (StatusCode.UNAVAILABLE, "PAYLOAD_UNAVAILABLE"),
    PositionInvalid: (StatusCode.INVALID_ARGUMENT, "POSITION_INVALID"),
    RequestsLimited: (StatusCode.RESOURCE_EXHAUSTED, "REQUESTS_LIMITED"),
    RequestInvalid: (StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID"),
    RoleMissing: (StatusCode.PERMISSION_DENIED, "ROLE_MISSING"),
    StoredMemoryNotFound: (StatusCode.NOT_FOUND, "MEMORY_NOT_FOUND"),
    SteeringRefused: (StatusCode.INVALID_ARGUMENT, "STEERING_REFUSED"),
    TaskEnded: (StatusCode.FAILED_PRECONDITION, "TASK_ENDED"),
    TaskErased: (StatusCode.NOT_FOUND, "TASK_ERASED"),
    TaskRunning: (StatusCode.FAILED_PRECONDITION, "TASK_RUNNING"),
    TaskNotFound: (StatusCode.NOT_FOUND, "TASK_NOT_FOUND"),
    VersionNotFound: (StatusCode.NOT_FOUND, "VERSION_NOT_FOUND"),
    TaskRefused: (StatusCode.INVALID_ARGUMENT, "TASK_REFUSED"),
    TemporalNotReady: (StatusCode.UNAVAILABLE, "TEMPORAL_NOT_READY"),
    TemporalUnreachable: (StatusCode.UNAVAILABLE, "TEMPORAL_UNREACHABLE"),
    TenantLimited: (StatusCode.RESOURCE_EXHAUSTED, "TENANT_LIMITED"),
    TenantNotFound: (StatusCode.NOT_FOUND, "TENANT_NOT_FOUND"),
    TenantSpent: (StatusCode.RESOURCE_EXHAUSTED, "TENANT_SPENT"),
    ToolCallFailed: (StatusCode.FAILED_PRECONDITION, "TOOL_CALL_FAILED"),
    ToolCallNotFound: (StatusCode.NOT_FOUND, "TOOL_CALL_NOT_FOUND"),
    ToolCallUnfinished: (StatusCode.FAILED_PRECONDITION, "TOOL_CALL_UNFINISHED"),
    WatchInterrupted: (StatusCode.UNAVAILABLE, "WATCH_INTERRUPTED"),
    WorkerUnavailable: (StatusCode.UNAVAILABLE, "WORKERS_SILENT"),
    WorkerVersionRefused: (StatusCode.FAILED_PRECONDITION, "WORKER_VERSION_REFUSED"),
}
"""Code and reason of each error; the reason is the last part of REST's problem type, in capitals."""


_ANSWER_STATUSES: dict[type[AnswerInvalid], tuple[StatusCode, str]] = {
    AlreadyAnswered: (StatusCode.FAILED_PRECONDITION, "ALREADY_ANSWERED"),
    AnswerExpired: (StatusCode.FAILED_PRECONDITION, "ANSWER_EXPIRED"),
    AnswerInvalid: (StatusCode.INVALID_ARGUMENT, "ANSWER_MISMATCH"),
    AnswerMismatch: (StatusCode.INVALID_ARGUMENT, "ANSWER_MISMATCH"),
    AnswerNotAllowed: (StatusCode.PERMISSION_DENIED, "ANSWER_NOT_ALLOWED"),
    AnswerOutdated: (StatusCode.FAILED_PRECONDITION, "ANSWER_OUTDATED"),
    InputRequestNotFound: (StatusCode.NOT_FOUND, "INPUT_REQUEST_NOT_FOUND"),
}
"""The same for answers that are refused, by their verdict."""


_MESSAGE_STATUSES: dict[type[SteeringInvalid], tuple[StatusCode, str]] = {
    SteeringInvalid: (StatusCode.INVALID_ARGUMENT, "MESSAGE_REFUSED"),
    ConversationBusy: (StatusCode.FAILED_PRECONDITION, "CONVERSATION_BUSY"),
    ConversationEnded: (StatusCode.FAILED_PRECONDITION, "CONVERSATION_ENDED"),
    MessageConflict: (StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT"),
}
"""The same for messages that are refused, by their verdict."""


def error_status(error: ServiceError) -> Status:
    """Return an error's status: code, text, ErrorInfo, and BadRequest or RetryInfo where they apply."""
    code, reason = _code_and_reason(error)
    details: list[Message] = [ErrorInfo(reason=reason, domain=DOMAIN)]
    violations = _violations(error)
    if violations:
        fields = [BadRequest.FieldViolation(field=field, description=text) for field, text in violations]
        details.append(BadRequest(field_violations=fields))
    is_transient = code is StatusCode.UNAVAILABLE and not isinstance(error, PayloadUnavailable)
    delay_s = error.retry_after_s or (_RETRY_DELAY_S if is_transient else None)
    if delay_s is not None:
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(math.ceil(delay_s * 1000))
        details.append(retry)
    message = first_of_issues(violations) if isinstance(error, RequestInvalid) else str(error)
    return _status(code, message, details)


def _code_and_reason(error: ServiceError) -> tuple[StatusCode, str]:
    if isinstance(error, AnswerRefused):
        return _ANSWER_STATUSES[error.verdict]
    return _MESSAGE_STATUSES[error.verdict] if isinstance(error, MessageRefused) else _STATUSES[type(error)]


def field_path(path: FieldPath) -> str:
    """Return the path of a request's field in the proto, such as ``input.parts[0].image.url``."""
    match path:
        case ("input" | "message" as content, "prompt" | "arguments" as field, *rest):
            path = (content, "prompt", field, *rest)
        case ("input" | "message" as content, index, "text" as field):
            path = (content, "parts", index, field)
        case ("input" | "message" as content, index, "uri" | "server" as field):
            path = (content, "parts", index, "resource", field)
        case ("input" | "message" as content, index, *rest):
            path = (content, "parts", index, *(["image"] if rest else []), *rest)
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


@asynccontextmanager
async def errors_as_status(context: ServicerContext[Any, Any], request: Message | None = None) -> AsyncIterator[None]:
    """End the call with a status when this context raises an exception; the log names the task of ``request``."""
    try:
        yield
    except ServiceError as error:
        status = error_status(error)
    except BaseError:  # gRPC's own: the client has disconnected, and gRPC ends the call
        raise
    except Exception:  # any: the client gets a status, and the log the cause
        error_id = uuid.uuid4().hex
        logger.exception("Unexpected error %s", error_id, extra={"task_id": getattr(request, "task_id", None)})
        message = f"Something went wrong on our side. The log has it under {error_id}."
        status = _status(StatusCode.INTERNAL, message, [ErrorInfo(reason="UNEXPECTED", domain=DOMAIN)])
    else:
        return
    await context.abort_with_status(rpc_status.to_status(status))


def _violations(error: ServiceError) -> Sequence[tuple[str, str]]:
    match error:
        case RequestInvalid() | TaskRefused():
            return [(field_path(issue.path), issue.text) for issue in error.issues]
        case CursorInvalid():
            return [("cursor", str(error))]
        case PositionInvalid():
            return [("after", str(error))]
        case IdempotencyConflict():
            return [("idempotency_key", str(error))]
    return ()


def _status(code: StatusCode, message: str, details: Sequence[Message]) -> Status:
    status = Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return status
