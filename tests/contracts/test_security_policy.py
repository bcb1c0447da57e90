"""The contract of security policies: a decision on every call, always the same, with a reason unless it is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.interfaces import SecurityPolicy
from agentkit.messages import ToolCall
from agentkit.runtime.approval_policy import ApprovalPolicy
from agentkit.specs import AgentSpec, ApprovalRule, ToolSpec

POLICIES: tuple[SecurityPolicy, ...] = (ApprovalPolicy(),)

_names = st.text(st.sampled_from("ab-_*?[]!:/"), min_size=1, max_size=6)
_tools = st.builds(
    ToolSpec,
    name=_names,
    description=st.just(""),
    parameters=st.just({}),
    effect=st.sampled_from(["pure", "idempotent", "irreversible"]),
    approval=st.sampled_from([None, "always", "never"]),
)
_rules = st.lists(st.builds(ApprovalRule, tool=_names, when=st.sampled_from(["always", "never"])), max_size=3).map(
    tuple
)

every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)


def agent(tool: ToolSpec, rules: tuple[ApprovalRule, ...]) -> AgentSpec:
    return AgentSpec(name="a", models=("demo:demo",), planner="tools", tools=(tool,), approvals=rules)


@every_policy
@given(tool=_tools, rules=_rules)
def test_the_decision_on_a_call_is_always_the_same_and_has_a_reason(
    policy: SecurityPolicy, tool: ToolSpec, rules: tuple[ApprovalRule, ...]
) -> None:
    call = ToolCall(id="c", name=tool.name)
    decision = policy.decide(agent(tool, rules), tool, call)
    assert decision == policy.decide(agent(tool, rules), tool, call)
    assert decision.action == "allow" or decision.reason


@every_policy
@given(tool=_tools.filter(lambda tool: tool.effect == "irreversible" and tool.approval is None))
def test_irreversible_calls_are_not_allowed_without_a_rule(policy: SecurityPolicy, tool: ToolSpec) -> None:
    decision = policy.decide(agent(tool, ()), tool, ToolCall(id="c", name=tool.name))
    assert decision.action != "allow"
