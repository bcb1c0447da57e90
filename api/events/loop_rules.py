"""What follows from a model's answer, by the very rules that the workflow goes by."""

from __future__ import annotations

from dataclasses import dataclass

from agentkit.errors import OpspawnError
from agentkit.interfaces import CallTools, ModelResponse, Proceed
from agentkit.messages import ToolCall, ToolResult
from agentkit.planners import get_planner
from agentkit.runtime.approval_policy import ApprovalPolicy
from agentkit.runtime.loop import Loop
from agentkit.specs import AgentSpec

__all__ = ["Outcome", "outcome_of"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the workflow makes of an answer, as far as it doesn't stand in history as such."""

    plan: tuple[str, ...] = ()
    admitted: tuple[ToolCall, ...] = ()
    """Calls that become activities, in the order in which they are scheduled."""
    refused: tuple[tuple[ToolCall, ToolResult], ...] = ()
    """Calls that don't, and what the model is told of them."""


def outcome_of(agent: AgentSpec, response: ModelResponse, step: int) -> Outcome:
    """Return what follows; nothing where this release doesn't know the agent's planner."""
    try:
        loop = Loop(agent, get_planner(agent.planner), ApprovalPolicy(), (), steps=step)
        decision = loop.take(response)
    except OpspawnError:
        return Outcome()
    match decision:
        case Proceed(plan):
            return Outcome(plan=plan)
        case CallTools(calls):
            verdicts = [(call, loop.admit(call, index)) for index, call in enumerate(calls)]
            return Outcome(
                admitted=tuple(call for call, verdict in verdicts if not isinstance(verdict, ToolResult)),
                refused=tuple((call, verdict) for call, verdict in verdicts if isinstance(verdict, ToolResult)),
            )
    return Outcome()
