"""The default security policy: the agent's rules first, then the tool's own wish, then its effect."""

from __future__ import annotations

from fnmatch import fnmatchcase

from agentkit.interfaces import PolicyDecision
from agentkit.messages import ToolCall
from agentkit.policy_rules import PolicyRule, Verdict
from agentkit.runtime.argument_tests import condition_outcome
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["RulePolicy"]


class RulePolicy:
    """A ``SecurityPolicy`` by the agent's rules; without one that matches, only irreversible tools need approval."""

    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        """Return the decision of the first rule that matches the call, and otherwise of the tool or its effect."""
        if agent.tool(call.name) is None or call.name != tool.name:
            return _deny(f"the agent has no tool {call.name!r}", "the agent's tools")
        if call.malformed is not None:
            return _deny("its arguments are no JSON object", "the arguments")
        for number, rule in enumerate(agent.policy, 1):
            if (unclear := _match(rule, tool, call)) is not None:
                return _decision_by_rule(rule, f"policy rule {number}", unclear)
        if tool.approval is not None:
            return _decision(tool.approval == "always", "the tool's own declaration", "the tool's own declaration")
        return _decision(tool.effect == "irreversible", f"its effect, {tool.effect}", "the tool's effect")


def _match(rule: PolicyRule, tool: ToolSpec, call: ToolCall) -> str | None:
    """Return None if the rule doesn't match; otherwise what can't be told about the call, or ``""``.

    What can't be told makes no call easier: then a rule that allows doesn't match, and one that asks or denies does.
    """
    if not fnmatchcase(tool.name, rule.tool) or (rule.effect is not None and rule.effect != tool.effect):
        return None
    outcomes = [condition_outcome(call.arguments, path, condition) for path, condition in (rule.if_ or {}).items()]
    if False in outcomes:
        return None
    unclear = "; ".join(outcome for outcome in outcomes if isinstance(outcome, str))
    return None if unclear and rule.then == "allow" else unclear


def _decision_by_rule(rule: PolicyRule, name: str, unclear: str) -> PolicyDecision:
    reason = rule.reason or name
    if unclear:
        reason = f"{reason.rstrip('.')}. {unclear}"
    terms = rule.model_dump(include={"approvers", "count", "expires", "on_expiry", "escalate_to"})
    return PolicyDecision(action=rule.then, reason=reason, decided_by=name, **terms)


def _decision(is_asked: bool, reason: str, decided_by: str) -> PolicyDecision:
    action: Verdict = "ask" if is_asked else "allow"
    return PolicyDecision(action=action, reason=reason, decided_by=decided_by)


def _deny(reason: str, decided_by: str) -> PolicyDecision:
    return PolicyDecision(action="deny", reason=reason, decided_by=decided_by)
