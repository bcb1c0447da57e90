"""What events tell: calls, results and errors as the data of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, JsonValue
from temporalio.exceptions import ApplicationError, CancelledError, TimeoutError

from activities.failure_mapping import model_error
from agentkit.errors import ModelError
from agentkit.messages import ToolResult
from agentkit.runtime.tool_results import error_result, tool_result
from api.events.event import EventType
from api.events.history_decoder import Decoded
from api.events.scheduled_calls import AskedModel, CalledTool
from workflows.tool_execution import failure_text

__all__ = ["Told", "call_error", "dumped", "failed", "tool_completed", "unreadable"]

Data = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Told:
    """An event before it has its place."""

    type: EventType
    data: Mapping[str, JsonValue] = field(default_factory=dict)
    step: int | None = None
    at: datetime | None = None
    """None: when history says."""


def dumped(record: BaseModel) -> Data:
    """Return a record as JSON has it, without what isn't set."""
    found: Data = record.model_dump(mode="json", exclude_none=True)
    return found


def unreadable(decoded: Decoded) -> Data:
    """Return why something is missing, where it is."""
    return {} if decoded.unreadable is None else {"unreadable": decoded.unreadable}


def tool_completed(called: CalledTool, decoded: Decoded) -> Told:
    """Tell a result as the model sees it."""
    if decoded.unreadable is not None:
        result = ToolResult(call_id=called.call.id, name=called.call.name, content="")
    else:
        result = tool_result(called.call, decoded.values[0] if decoded.values else None)
    return Told("tool.completed", {"result": dumped(result), **unreadable(decoded)}, called.step)


def failed(call: AskedModel | CalledTool, decoded: Decoded, failure: BaseException | None, attempts: int) -> Told:
    """Tell that a call came to nothing for good."""
    error = {**call_error(call, failure), **unreadable(decoded)}
    if isinstance(call, AskedModel):
        return Told("model.failed", {"model": call.model, "error": error, "attempts": attempts}, call.step)
    result = error_result(call.call, failure_text(call.tool, failure))
    return Told("tool.failed", {"result": dumped(result), "error": error, "attempts": attempts}, call.step)


def call_error(call: AskedModel | CalledTool, failure: BaseException | None) -> Data:
    """Return ``{type, message, status?}`` of an attempt that failed."""
    if isinstance(failure, CancelledError):
        return {"type": "Cancelled", "message": "It was cancelled."}
    if isinstance(call, AskedModel):
        error = model_error(failure)
        status: Data = {"status": error.status} if isinstance(error, ModelError) and error.status else {}
        return {"type": type(error).__name__, "message": str(error), **status}
    kind = "TimedOut" if isinstance(failure, TimeoutError) else "ToolError"
    if isinstance(failure, ApplicationError):
        kind = failure.type or kind
    return {"type": kind, "message": failure_text(call.tool, failure)}
