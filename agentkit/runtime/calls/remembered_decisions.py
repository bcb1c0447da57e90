"""Decisions of people that hold for later calls of the same task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from agentkit.input_requests import InputAnswer, arguments_sha256, tool_sha256
from agentkit.interfaces import PolicyDecision
from agentkit.messages import ToolCall
from agentkit.records import Record
from agentkit.specs import ToolSpec

__all__ = ["RememberedDecision", "RememberedDecisions"]

_MAX_REMEMBERED = 200
"""The newest so many; older ones are asked about again."""


class RememberedDecision(Record):
    """An approval or denial, and the calls that it holds for."""

    tool_sha256: str
    """Of the tool's definition: a changed tool asks again."""
    arguments_sha256: str | None = None
    """None: whatever the arguments are."""
    rule: str
    """The policy's rule that asked: a call that another rule asks about is asked about again."""
    decision: Literal["approve", "deny"]
    answered_by: str | None = None


class RememberedDecisions:
    """The remembered decisions of one task."""

    def __init__(self, decisions: Sequence[RememberedDecision] = ()) -> None:
        self.decisions = tuple(decisions)
        """Oldest first."""

    def remember(self, answer: InputAnswer, tool: ToolSpec, call: ToolCall, asked: PolicyDecision) -> None:
        """Add the decision of an answer that is to be remembered, on a call that the policy asked about."""
        decision = RememberedDecision(
            tool_sha256=tool_sha256(tool),
            arguments_sha256=arguments_sha256(call.arguments) if answer.remember == "task_same_arguments" else None,
            rule=asked.decided_by,
            decision="approve" if answer.decision == "approve" else "deny",
            answered_by=answer.answered_by,
        )
        self.decisions = (*self.decisions, decision)[-_MAX_REMEMBERED:]

    def apply(self, tool: ToolSpec, call: ToolCall, asked: PolicyDecision) -> PolicyDecision:
        """Return the newest remembered decision on a call that the policy asks about, or else ``asked``."""
        for remembered in reversed(self.decisions):
            if remembered.rule == asked.decided_by and _is_about(remembered, tool, call):
                person = f"person: {remembered.answered_by}" if remembered.answered_by else "person"
                is_approval = remembered.decision == "approve"
                return PolicyDecision(
                    action="allow" if is_approval else "deny",
                    reason="a person has decided so for this task",
                    decided_by=f"{person} (remembered)",
                )
        return asked


def _is_about(remembered: RememberedDecision, tool: ToolSpec, call: ToolCall) -> bool:
    if remembered.tool_sha256 != tool_sha256(tool):
        return False
    return remembered.arguments_sha256 in (None, arguments_sha256(call.arguments))
