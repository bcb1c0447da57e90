"""What every security policy promises: a verdict for any call, the same each time, with a reason where it isn't yes."""

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
def test_every_call_gets_the_same_verdict_each_time(
    policy: SecurityPolicy, tool: ToolSpec, rules: tuple[ApprovalRule, ...]
) -> None:
    call = ToolCall(id="c", name=tool.name)
    verdict = policy.decide(agent(tool, rules), tool, call)
    assert verdict == policy.decide(agent(tool, rules), tool, call)
    assert verdict.action == "allow" or verdict.reason


@every_policy
@given(tool=_tools.filter(lambda tool: tool.effect == "irreversible" and tool.approval is None))
def test_nothing_irreversible_is_allowed_unless_somebody_said_so(policy: SecurityPolicy, tool: ToolSpec) -> None:
    verdict = policy.decide(agent(tool, ()), tool, ToolCall(id="c", name=tool.name))
    assert verdict.action != "allow"
