"""The default security policy: the agent's rules first, then the tool's own wish, then its effect."""

from __future__ import annotations

from agentkit.interfaces import PolicyDecision
from agentkit.messages import ToolCall
from agentkit.policy_rules import Condition, PolicyRule, Verdict, argument_path
from agentkit.runtime.calls.argument_reader import ArgumentReader, accepts_argument
from agentkit.runtime.calls.argument_tests import Outcome, condition_outcome
from agentkit.specs import AgentSpec, ToolSpec

__all__ = ["RulePolicy"]


class RulePolicy:
    """A ``SecurityPolicy`` by the agent's rules; without one that matches, only irreversible tools need approval."""

    def decide(self, agent: AgentSpec, tool: ToolSpec, call: ToolCall) -> PolicyDecision:
        """Return the decision of the first rule that matches the call, and otherwise of the tool or its effect."""
        if agent.known_tool(call.name) is None or call.name != tool.name:
            return _deny(f"the agent has no tool {call.name!r}", "the agent's tools")
        if call.malformed is not None:
            return _deny("its arguments are no JSON object", "the arguments")
        arguments = ArgumentReader(call.arguments)
        doubt = ""
        for number, rule in enumerate(agent.policy, 1):
            outcome = _rule_outcome(rule, tool, arguments)
            if outcome is False:
                continue
            unclear = outcome if isinstance(outcome, str) else ""
            # An unclear test makes no call easier: only rules that ask or deny match.
            if not unclear or rule.then != "allow":
                return _decision_by_rule(rule, f"policy rule {number}", unclear or doubt)
            doubt = doubt or f"Policy rule {number} doesn't allow it, because {unclear}"
        if tool.approval is not None:
            return _decision(
                tool.approval == "always", "the tool's own declaration", doubt, "the tool's own declaration"
            )
        return _decision(tool.effect == "irreversible", f"its effect, {tool.effect}", doubt, "the tool's effect")


def _rule_outcome(rule: PolicyRule, tool: ToolSpec, arguments: ArgumentReader) -> Outcome:
    """Return whether the rule matches the call; text: why that is unclear."""
    if not tool.matches(rule.tool) or (rule.effect is not None and rule.effect != tool.effect):
        return False
    unclear: list[str] = []
    for path, condition in (rule.if_ or {}).items():
        outcome = _condition_outcome(tool, arguments, path, condition)
        if outcome is False:
            return False
        if isinstance(outcome, str):
            unclear.append(outcome)
    return "; ".join(unclear) or True


def _condition_outcome(tool: ToolSpec, arguments: ArgumentReader, path: str, condition: Condition) -> Outcome:
    """Return whether a condition holds; of an argument that the tool can't have, only its absence does."""
    is_possible = accepts_argument(tool.parameters, argument_path(path)[0])
    if not is_possible and condition.exists is not False and arguments.read(path) is None:
        return False
    return condition_outcome(arguments, path, condition)


def _decision_by_rule(rule: PolicyRule, name: str, doubt: str) -> PolicyDecision:
    reason = _with_doubt(rule.reason or name, doubt)
    terms = rule.model_dump(include={"approvers", "count", "expires", "on_expiry", "escalate_to"})
    return PolicyDecision(action=rule.then, reason=reason, decided_by=name, **terms)


def _decision(is_asked: bool, reason: str, doubt: str, decided_by: str) -> PolicyDecision:
    action: Verdict = "ask" if is_asked else "allow"
    return PolicyDecision(action=action, reason=_with_doubt(reason, doubt), decided_by=decided_by)


def _with_doubt(reason: str, doubt: str) -> str:
    return f"{reason.rstrip('.')}. {doubt}" if doubt else reason


def _deny(reason: str, decided_by: str) -> PolicyDecision:
    return PolicyDecision(action="deny", reason=reason, decided_by=decided_by)
