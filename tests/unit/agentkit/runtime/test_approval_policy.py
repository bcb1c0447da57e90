from __future__ import annotations

import pytest

from agentkit.messages import ToolCall
from agentkit.runtime.approval_policy import ApprovalPolicy
from agentkit.specs import AgentSpec, ApprovalRule, ToolSpec


def decide(tool: ToolSpec, *rules: ApprovalRule) -> tuple[str, str | None]:
    agent = AgentSpec(name="a", models=("demo:demo",), planner="tools", tools=(tool,), approvals=rules)
    decision = ApprovalPolicy().decide(agent, tool, ToolCall(id="c", name=tool.name))
    return decision.action, decision.reason


def spec(name: str = "send_email", **fields: object) -> ToolSpec:
    return ToolSpec.model_validate({"name": name, "description": "", "parameters": {}, **fields})


@pytest.mark.parametrize(
    ("effect", "action"),
    [("pure", "allow"), ("idempotent", "allow"), ("irreversible", "ask")],
)
def test_without_a_rule_only_irreversible_tools_need_approval(effect: str, action: str) -> None:
    assert decide(spec(effect=effect)) == (action, f"its effect, {effect}")


def test_a_tool_without_a_declared_effect_needs_approval() -> None:
    assert decide(spec())[0] == "ask"


@pytest.mark.parametrize(
    ("approval", "effect", "action"), [("always", "pure", "ask"), ("never", "irreversible", "allow")]
)
def test_a_tools_own_declaration_wins_over_its_effect(approval: str, effect: str, action: str) -> None:
    assert decide(spec(approval=approval, effect=effect)) == (action, "the tool's own declaration")


@pytest.mark.parametrize(("when", "approval", "action"), [("always", "never", "ask"), ("never", "always", "allow")])
def test_the_agents_rule_wins_over_the_tools_declaration(when: str, approval: str, action: str) -> None:
    rule = ApprovalRule.model_validate({"tool": "send_email", "when": when})
    assert decide(spec(approval=approval), rule) == (action, "the agent's rule for send_email")


def test_the_first_rule_that_matches_decides() -> None:
    rules = (ApprovalRule(tool="send_*", when="never"), ApprovalRule(tool="*", when="always"))
    assert decide(spec(), *rules) == ("allow", "the agent's rule for send_*")
    assert decide(spec(), *reversed(rules)) == ("ask", "the agent's rule for *")


@pytest.mark.parametrize("pattern", ["Send_email", "send", "email", "send_emai?l"])
def test_a_rule_whose_pattern_does_not_match_is_ignored(pattern: str) -> None:
    assert decide(spec(), ApprovalRule(tool=pattern, when="never"))[0] == "ask"
