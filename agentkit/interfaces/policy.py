"""The ``SecurityPolicy`` Protocol: which tool calls may be made."""

from __future__ import annotations

from typing import Literal, Protocol

from agentkit.messages import ToolCall
from agentkit.records import Record
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["PolicyDecision", "SecurityPolicy"]


class PolicyDecision(Record):
    """A security policy's decision on a tool call."""

    action: Literal["allow", "ask", "deny"]
    reason: str | None = None
    """Shown to the person who approves, or to the model whose call is denied."""


class SecurityPolicy(Protocol):
    """Decides on each tool call before it is scheduled. Pure, because it runs in the workflow."""

    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        """Return whether the call is allowed, denied, or needs approval."""
        ...
