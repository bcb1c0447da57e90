"""The calls of a task as history tells of them: which question or tool call an activity stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes

from activities.payload_types import MODEL_ACTIVITY, TOOL_PREFIX, ModelCall
from agentkit.interfaces import ToolContext
from agentkit.messages import ToolCall
from agentkit.specs import AgentSpec, ToolSpec
from api.events.history_decoder import Decoded

__all__ = ["AskedModel", "CalledTool", "Step", "scheduled_call"]


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A question to a model."""

    step: int
    model: str
    activity_id: str


@dataclass(frozen=True, slots=True)
class CalledTool:
    """A call of a tool."""

    step: int
    call: ToolCall
    tool: ToolSpec
    activity_id: str


@dataclass(slots=True)
class Step:
    """The newest step: what the model's answer asked for."""

    number: int = 0
    agent: AgentSpec | None = None
    calls: tuple[ToolCall, ...] = ()
    """Those that become activities, in the order in which they are scheduled."""
    asked_as: int = 0
    """Number of the activity that asked the model; Temporal's SDK numbers them in the order of scheduling."""

    def local_call(self, name: str, activity_id: str) -> CalledTool | None:
        """Return the call that a local activity serves: history holds its name and number only."""
        place = int(activity_id) - self.asked_as - 1 if activity_id.isdecimal() else -1
        if not 0 <= place < len(self.calls) or self.calls[place].name != name:
            return None
        return CalledTool(self.number, self.calls[place], self.tool(name), activity_id)

    def tool(self, name: str) -> ToolSpec:
        """Return what is known of a tool; only its name, where the agent isn't known."""
        tool = self.agent.tool(name) if self.agent else None
        return tool or ToolSpec(name=name, description="", parameters={})


def scheduled_call(decoded: Decoded, step: Step) -> AskedModel | CalledTool | None:
    """Return what was scheduled; None where it is no part of a task's steps, or can't be read."""
    scheduled = decoded.event.activity_task_scheduled_event_attributes
    try:
        return _scheduled_call(scheduled, decoded, step)
    except (ValidationError, IndexError):
        return None


def _scheduled_call(
    scheduled: ActivityTaskScheduledEventAttributes, decoded: Decoded, step: Step
) -> AskedModel | CalledTool | None:
    kind, activity_id = scheduled.activity_type.name, scheduled.activity_id
    if kind == MODEL_ACTIVITY:
        asked = ModelCall.model_validate(decoded.values[0])
        return AskedModel(asked.step, asked.model, activity_id)
    if not kind.startswith(TOOL_PREFIX):
        return None
    name = kind.removeprefix(TOOL_PREFIX)
    context = ToolContext.model_validate(decoded.values[1])
    call = _by_id(step.calls, context.call_id) or ToolCall.model_validate(
        {"id": context.call_id, "name": name, "arguments": decoded.values[0]}
    )
    return CalledTool(context.step, call, step.tool(name), activity_id)


def _by_id(calls: Sequence[ToolCall], call_id: str) -> ToolCall | None:
    return next((call for call in calls if call.id == call_id), None)
