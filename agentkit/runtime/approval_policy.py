"""The default security policy: the agent's approval rules first, then the tool's own, then its effect."""

from __future__ import annotations

from fnmatch import fnmatchcase

from agentkit.interfaces import PolicyDecision
from agentkit.messages import ToolCall
from agentkit.specs import AgentSpec, Approval, ToolSpec

__all__ = ["ApprovalPolicy"]


class ApprovalPolicy:
    """A ``SecurityPolicy`` by approval rules; without a rule, only irreversible tools need approval."""

    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        """Return ``allow`` or ``ask``, with the rule that decided as the reason."""
        for rule in agent.approvals:
            if fnmatchcase(tool.name, rule.tool):
                return _decision(rule.when, f"the agent's rule for {rule.tool}")
        if tool.approval is not None:
            return _decision(tool.approval, "the tool's own declaration")
        return _decision("always" if tool.effect == "irreversible" else "never", f"its effect, {tool.effect}")


def _decision(approval: Approval, reason: str) -> PolicyDecision:
    return PolicyDecision(action="ask" if approval == "always" else "allow", reason=reason)
