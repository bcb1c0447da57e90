"""Our errors as Temporal's posture: what is tried again, when, and what ends the activity."""

from __future__ import annotations

from datetime import timedelta

from temporalio.exceptions import ActivityError, ApplicationError

from agentkit.errors import (
    ContentRefused,
    ContextTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelOutputInvalid,
    ModelRequestRejected,
    ModelUnavailable,
    OpspawnError,
    ToolUnavailable,
    TranscriptMismatch,
)
from agentkit.runtime.tool_results import bounded

__all__ = ["MAX_RETRY_AFTER", "from_temporal", "model_error", "to_temporal"]

MAX_RETRY_AFTER = 600.0
"""Seconds; a provider that asks for more is asked again after this."""


def to_temporal(error: OpspawnError) -> ApplicationError:
    """Return the error that an activity raises: of the same type by name, retryable only where that can help.

    Its message is bounded as results are: Temporal takes none of several megabytes, and would just try again.
    """
    retryable = isinstance(error, ModelUnavailable | ToolUnavailable)
    retry_after = error.retry_after if isinstance(error, ModelUnavailable) else None
    status = error.status if isinstance(error, ModelError) else None
    return ApplicationError(
        bounded(str(error)),
        *([] if status is None else [{"status": status}]),
        type=type(error).__name__,
        non_retryable=not retryable,
        next_retry_delay=None if retry_after is None else timedelta(seconds=min(retry_after, MAX_RETRY_AFTER)),
    )


_MODEL_ERRORS = {
    kind.__name__: kind
    for kind in (
        ContentRefused,
        ContextTooLong,
        ModelNotAuthorized,
        ModelOutputInvalid,
        ModelRequestRejected,
        ModelUnavailable,
    )
}


def from_temporal(error: ActivityError) -> OpspawnError:
    """Return our error again for what ended a model call, typed as it was in the activity."""
    return model_error(error.cause)


def model_error(cause: BaseException | None) -> OpspawnError:
    """Return the same for the cause alone, as history has it."""
    if not isinstance(cause, ApplicationError):
        return ModelUnavailable(f"The model call didn't come back: {cause}")
    if cause.type == TranscriptMismatch.__name__:
        return TranscriptMismatch(cause.message)
    details = cause.details[0] if cause.details else {}
    status = details.get("status") if isinstance(details, dict) else None
    return _MODEL_ERRORS.get(cause.type or "", ModelUnavailable)(cause.message, status=status)
