"""The ``SecurityPolicy`` Protocol: which tool calls may be made."""

from __future__ import annotations

from typing import Literal, Protocol

from agentkit.messages import ToolCall
from agentkit.records import Record
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["PolicyDecision", "SecurityPolicy"]


class PolicyDecision(Record):
    """What a security policy says of a call."""

    action: Literal["allow", "ask", "deny"]
    reason: str | None = None
    """Why, for the person or model that reads it."""


class SecurityPolicy(Protocol):
    """Decides on each tool call before it is scheduled. Pure: it runs in the workflow."""

    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        """Return whether the call may go ahead."""
        ...
