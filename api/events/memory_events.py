"""The data of ``memory.recalled``, from the activity that recalls memories before a task's first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue, ValidationError
from temporalio.exceptions import ApplicationError

from activities.memory.memory_payloads import RecallResult

__all__ = ["recall_failure_data", "recalled_data"]

_NOT_SERVED = "No worker that serves long-term memory responded in time."


def recalled_data(values: Sequence[Any]) -> dict[str, JsonValue] | None:
    """Return the memories that entered the transcript; None: nothing did. A result that can't be read has none."""
    try:
        memories = RecallResult.model_validate(values[0]).memories
    except (ValidationError, IndexError):
        return {"memories": []}
    return {"memories": [memory.model_dump(mode="json") for memory in memories]} if memories else None


def recall_failure_data(failure: BaseException | None) -> dict[str, JsonValue]:
    """Return why the task goes on without memories."""
    error: JsonValue = {"type": "MemoryUnavailable", "message": _NOT_SERVED}
    if isinstance(failure, ApplicationError):
        error = {"type": failure.type or "MemoryUnavailable", "message": failure.message}
    return {"memories": [], "error": error}
