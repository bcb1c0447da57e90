"""Our errors as Temporal's failures, and back: what is retried, when, and what ends the activity."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TypeGuard

from pydantic import JsonValue
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError

from activities.payload_types import TOOL_PREFIX
from activities.temporal.encryption.encrypted_payloads import PayloadErased
from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.errors import (
    ContentRefused,
    ContextTooLong,
    LocalAttemptLost,
    McpServerUnavailable,
    MemoryUnavailable,
    MessageTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelOutputInvalid,
    ModelRequestRejected,
    ModelTimedOut,
    ModelUnavailable,
    OpspawnError,
    ToolNotServed,
    ToolUnavailable,
    TranscriptMismatch,
    TranscriptSourceGone,
    WorkerBusy,
)
from agentkit.runtime.calls.tool_results import bounded

__all__ = [
    "MAX_RETRY_AFTER_S",
    "application_error",
    "is_local_timeout",
    "is_not_served",
    "is_refusal",
    "model_error_from",
]

MAX_RETRY_AFTER_S = 600.0
"""The longest wait before the next attempt, whatever the provider asks for."""


def application_error(error: OpspawnError) -> ApplicationError:
    """Return the failure that an activity raises for an error: its type is the name of the error's class.

    Only transient errors are retryable. The message is bounded: Temporal refuses one of several megabytes, and would
    retry the activity because of that.
    """
    transient = ModelUnavailable | ToolUnavailable | MemoryUnavailable | PayloadStorageFailed
    retryable = isinstance(error, transient) and not isinstance(error, PayloadErased)
    retry_after = error.retry_after if isinstance(error, ModelUnavailable) else None
    return ApplicationError(
        bounded(str(error)),
        *_details(error),
        type=_type_name(error),
        non_retryable=not retryable,
        next_retry_delay=None if retry_after is None else timedelta(seconds=min(retry_after, MAX_RETRY_AFTER_S)),
    )


def _details(error: OpspawnError) -> list[dict[str, JsonValue]]:
    """Return what the failure has besides the message."""
    if isinstance(error, McpServerUnavailable):
        return [{"server": error.server, "kind": error.kind}]
    status = error.status if isinstance(error, ModelError) else None
    return [] if status is None else [{"status": status}]


def _type_name(error: OpspawnError) -> str:
    """Return the name of the error's class; of a class that a project derives from ours, the name of ours."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ in _OWN_MODULES)


_OWN_MODULES = frozenset({OpspawnError.__module__, PayloadStorageFailed.__module__})

_REFUSALS = frozenset(kind.__name__ for kind in (ToolNotServed, WorkerBusy, LocalAttemptLost))


_NOT_REGISTERED_TYPES = frozenset(("NotFoundError", "ActivityNotRegisteredError", "java.lang.IllegalArgumentException"))
_NOT_REGISTERED = re.compile(
    rf"""Activity[ ](function[ ]|Type[ ])?["']?{re.escape(TOOL_PREFIX)}\S+[ ].*not[ ]registered"""
    rf"""|unable[ ]to[ ]find[ ]activityType={re.escape(TOOL_PREFIX)}""",
    re.DOTALL | re.VERBOSE,
)
"""What Temporal's SDKs for TypeScript, Python, .NET, Ruby and Java, and that for Go, write of an activity type that
their worker lacks."""


def is_refusal(failure: BaseException | None) -> TypeGuard[ApplicationError]:
    """Return whether a worker has refused a tool call: it has not started, and is made again."""
    return isinstance(failure, ApplicationError) and (failure.type in _REFUSALS or is_not_served(failure))


def is_not_served(failure: ApplicationError) -> bool:
    """Return whether a worker has refused a tool call because it lacks the tool, whatever program it is."""
    if failure.type in _NOT_REGISTERED_TYPES:
        return _NOT_REGISTERED.match(failure.message) is not None
    return failure.type == ToolNotServed.__name__


def is_local_timeout(failure: BaseException | None) -> bool:
    """Return whether a local activity took too long: its call is made again, as an activity."""
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    return isinstance(cause, TimeoutError)


_MODEL_ERRORS = {
    kind.__name__: kind
    for kind in (
        ContentRefused,
        ContextTooLong,
        ModelNotAuthorized,
        ModelOutputInvalid,
        ModelRequestRejected,
        ModelTimedOut,
        ModelUnavailable,
    )
}


def model_error_from(failure: BaseException | None) -> OpspawnError:
    """Return the error of a failed model activity, of the type it had in the activity.

    ``failure`` is the ``ActivityError`` that the workflow gets, or its cause as history holds it.
    """
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    if not isinstance(cause, ApplicationError):
        return ModelUnavailable(f"The model call gave no result: {cause}")
    for kind in (MessageTooLong, TranscriptMismatch, TranscriptSourceGone, PayloadStorageFailed):
        if cause.type == kind.__name__:
            return kind(cause.message)
    details = cause.details[0] if cause.details else {}
    status = details.get("status") if isinstance(details, dict) else None
    return _MODEL_ERRORS.get(cause.type or "", ModelUnavailable)(cause.message, status=status)
