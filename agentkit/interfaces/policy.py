"""The ``SecurityPolicy`` Protocol: which tool calls may be made."""

from __future__ import annotations

from typing import Protocol

from agentkit.messages import ToolCall
from agentkit.policy_rules import Expiry, Verdict
from agentkit.records import Record
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["PolicyDecision", "SecurityPolicy"]


class PolicyDecision(Record):
    """A security policy's decision on a tool call."""

    action: Verdict
    reason: str
    """Shown to the person who approves, or to the model whose call is denied."""
    decided_by: str
    """The rule that decided, such as ``policy rule 2``."""
    approvers: tuple[str, ...] = ()
    """The people and groups who may approve, where the action is ``ask``; empty: anyone."""
    count: int = 1
    """How many of them must approve."""
    expires: float | None = None
    """Seconds until the request for approval expires; None: never."""
    on_expiry: Expiry = "deny"
    escalate_to: tuple[str, ...] = ()
    """The people and groups who are asked next, where ``on_expiry`` is ``escalate``."""


class SecurityPolicy(Protocol):
    """Decides on each tool call before it is scheduled. Pure, because it runs in the workflow."""

    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        """Return whether the call is allowed, denied, or needs approval.

        Calls of ``ask_person`` are questions: ``allow`` asks as ``ask`` does, and what follows from ``ask`` are the
        terms of the question.

        A call that the policy can't judge, such as one of a tool that the agent doesn't have, is never allowed.
        """
        ...
