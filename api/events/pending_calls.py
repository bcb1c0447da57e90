"""Calls that a task has scheduled and not finished: which model request or tool call an activity makes."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue
from temporalio.exceptions import ApplicationError, CancelledError, TimeoutError

from activities.failure_mapping import model_error_from
from agentkit.errors import ModelError
from agentkit.messages import ToolCall
from agentkit.records import Record
from agentkit.specs import ToolSpec
from workflows.tools.tool_execution import tool_failure_text

__all__ = ["PendingCall", "PendingModelCall", "PendingToolCall", "ShownModelCall", "call_error"]


class ShownModelCall(Record):
    """What events show of a ``ModelCall``, of any release."""

    step: int
    model: str


@dataclass(frozen=True, slots=True)
class PendingModelCall:
    """A request to a model."""

    activity_id: str
    step: int
    model: str
    """``provider:name``."""


@dataclass(frozen=True, slots=True)
class PendingToolCall:
    """A tool call."""

    activity_id: str
    """The call's id."""
    step: int
    call: ToolCall
    tool: ToolSpec
    """The agent's; with the name alone, where the agent isn't known."""


PendingCall = PendingModelCall | PendingToolCall


def call_error(call: PendingCall, failure: BaseException | None) -> dict[str, JsonValue]:
    """Return why an attempt failed: ``{type, message, status?}``, where ``status`` is a provider's HTTP status.

    None is a failure that can't be read.
    """
    if failure is None:
        return {"type": "Unknown", "message": "Its failure can't be read."}
    if isinstance(failure, CancelledError):
        return {"type": "Cancelled", "message": "It was cancelled."}
    if isinstance(call, PendingModelCall):
        error = model_error_from(failure)
        status: dict[str, JsonValue] = (
            {"status": error.status} if isinstance(error, ModelError) and error.status else {}
        )
        return {"type": type(error).__name__, "message": str(error), **status}
    kind = "TimedOut" if isinstance(failure, TimeoutError) else "ToolError"
    if isinstance(failure, ApplicationError):
        kind = failure.type or kind
    return {"type": kind, "message": tool_failure_text(call.tool, failure)}
