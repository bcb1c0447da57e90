"""Our errors as Temporal's posture: what is tried again, when, and what ends the activity."""

from __future__ import annotations

from datetime import timedelta

from temporalio.exceptions import ApplicationError

from agentkit.errors import ModelUnavailable, OpspawnError, ToolUnavailable

__all__ = ["MAX_RETRY_AFTER", "to_temporal"]

MAX_RETRY_AFTER = 600.0
"""Seconds; a provider that asks for more is asked again after this."""


def to_temporal(error: OpspawnError) -> ApplicationError:
    """Return the error that an activity raises: of the same type by name, retryable only where that can help."""
    retryable = isinstance(error, ModelUnavailable | ToolUnavailable)
    retry_after = error.retry_after if isinstance(error, ModelUnavailable) else None
    return ApplicationError(
        str(error),
        type=type(error).__name__,
        non_retryable=not retryable,
        next_retry_delay=None if retry_after is None else timedelta(seconds=min(retry_after, MAX_RETRY_AFTER)),
    )
