from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.interfaces import PolicyDecision
from agentkit.messages import ToolCall
from agentkit.runtime.calls.security_policy import RulePolicy
from agentkit.specs import AgentSpec, PolicyRule, ToolSpec


def decide(tool: ToolSpec, *rules: dict[str, Any], arguments: dict[str, JsonValue] | None = None) -> PolicyDecision:
    policy = tuple(map(PolicyRule.model_validate, rules))
    agent = AgentSpec(name="a", models=("demo:demo",), planner="tools", tools=(tool,), policy=policy)
    return RulePolicy().decide(agent, tool, ToolCall(id="c", name=tool.name, arguments=arguments or {}))


def spec(name: str = "send_email", **fields: object) -> ToolSpec:
    return ToolSpec.model_validate({"name": name, "description": "", "parameters": {}, **fields})


@pytest.mark.parametrize(
    ("effect", "action"),
    [("pure", "allow"), ("idempotent", "allow"), ("irreversible", "ask")],
)
def test_without_a_rule_only_irreversible_tools_need_approval(effect: str, action: str) -> None:
    decision = decide(spec(effect=effect))
    assert (decision.action, decision.reason) == (action, f"its effect, {effect}")
    assert decision.decided_by == "the tool's effect"


def test_a_tool_without_a_declared_effect_needs_approval() -> None:
    assert decide(spec()).action == "ask"


@pytest.mark.parametrize(
    ("approval", "effect", "action"), [("always", "pure", "ask"), ("never", "irreversible", "allow")]
)
def test_a_tools_own_declaration_wins_over_its_effect(approval: str, effect: str, action: str) -> None:
    decision = decide(spec(approval=approval, effect=effect))
    assert (decision.action, decision.reason) == (action, "the tool's own declaration")


@pytest.mark.parametrize("then", ["allow", "ask", "deny"])
@pytest.mark.parametrize("approval", ["always", "never"])
def test_the_agents_rule_wins_over_the_tools_declaration(then: str, approval: str) -> None:
    decision = decide(spec(approval=approval), {"tool": "send_email", "then": then})
    assert (decision.action, decision.reason, decision.decided_by) == (then, "policy rule 1", "policy rule 1")


def test_the_first_rule_that_matches_decides() -> None:
    rules = ({"tool": "other", "then": "deny"}, {"tool": "send_*", "then": "allow"}, {"tool": "*", "then": "deny"})
    assert decide(spec(), *rules).decided_by == "policy rule 2"
    assert decide(spec(), *reversed(rules)).action == "deny"


@pytest.mark.parametrize(
    "pattern", ["Send_email", "send", "email", "send_emai?l", "send_email ", "[!s]*", "send_email\n", "", "send.email"]
)
def test_a_rule_whose_pattern_does_not_match_is_ignored(pattern: str) -> None:
    assert decide(spec(), {"tool": pattern or "[]", "then": "allow"}).action == "ask"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("mcp:github/delete_it", "mcp:github/*"),
        ("mcp:github/delete_it", "mcp:*/delete_*"),
        ("a.b", "a.?"),
        ("a", "[ab]"),
    ],
)
def test_a_pattern_matches_names_of_servers_and_their_tools(name: str, pattern: str) -> None:
    assert decide(spec(name), {"tool": pattern, "then": "deny"}).action == "deny"


def test_a_rule_with_an_effect_is_for_tools_with_that_effect() -> None:
    rule = {"tool": "*", "effect": "irreversible", "then": "deny"}
    assert decide(spec(effect="irreversible"), rule).action == "deny"
    assert decide(spec(effect="idempotent"), rule).action == "allow"


def test_a_rule_with_conditions_is_for_calls_for_which_all_of_them_hold() -> None:
    rule = {"tool": "*", "if": {"amount": {"gt": 0, "lte": 50}, "to.iban": {"matches": "DE[0-9]+"}}, "then": "allow"}
    assert decide(spec(), rule, arguments={"amount": 50, "to": {"iban": "DE12"}}).action == "allow"
    assert decide(spec(), rule, arguments={"amount": 51, "to": {"iban": "DE12"}}).action == "ask"
    assert decide(spec(), rule, arguments={"amount": 50, "to": {"iban": "FR12"}}).action == "ask"


CLOSED: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"url": {"type": "string"}},
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("parameters", "path", "arguments", "action"),
    [
        pytest.param({**CLOSED, "properties": {}}, "url", {}, "allow", id="the tool can't have it"),
        pytest.param({**CLOSED, "properties": {}}, "url.host", {}, "allow", id="the tool can't have what is around it"),
        pytest.param({**CLOSED, "properties": {}}, "url", {"url": 1}, "deny", id="the call has it all the same"),
        pytest.param({**CLOSED, "properties": {}}, "url", {"URL": 1}, "deny", id="the call has it in capitals"),
        pytest.param({**CLOSED, "properties": {"URL": {}}}, "url", {}, "deny", id="the tool has it in capitals"),
        pytest.param(CLOSED, "url", {}, "deny", id="the tool can have it"),
        pytest.param({"type": "object"}, "url", {}, "deny", id="the tool can have any"),
        pytest.param({**CLOSED, "additionalProperties": {}}, "x", {}, "deny", id="the tool can have others"),
        pytest.param({**CLOSED, "patternProperties": {"^x": {}}}, "x", {}, "deny", id="the tool can have such"),
    ],
)
def test_a_test_of_an_argument_that_a_tool_cannot_have_does_not_hold(
    parameters: dict[str, JsonValue], path: str, arguments: dict[str, JsonValue], action: str
) -> None:
    rule = {"tool": "*", "if": {path: {"matches": "https://evil.*"}}, "then": "deny"}
    assert decide(spec(effect="pure", parameters=parameters), rule, arguments=arguments).action == action


def test_the_absence_of_an_argument_that_a_tool_cannot_have_holds() -> None:
    rule = {"tool": "*", "if": {"force": {"exists": False}}, "then": "allow"}
    assert decide(spec(parameters=CLOSED), rule).action == "allow"


def test_the_reason_of_a_rule_is_what_the_model_or_the_person_reads() -> None:
    decision = decide(spec(), {"tool": "*", "then": "deny", "reason": "Mail is not for agents."})
    assert (decision.reason, decision.decided_by) == ("Mail is not for agents.", "policy rule 1")


@pytest.mark.parametrize(
    ("condition", "arguments", "unclear"),
    [
        ({"gt": 50}, {}, "amount is missing"),
        ({"gt": 50}, {"amount": "60"}, "amount is text, and the rule has a number"),
        ({"equals": "a"}, {"amount": None}, "amount is null, and the rule has text"),
        ({"gt": 50}, {"Amount": 60}, "amount may be 'Amount', which differs from 'amount' in its writing only"),
    ],
    ids=["missing", "type", "null", "capitals"],
)
def test_the_reason_names_what_is_unclear(
    condition: dict[str, Any], arguments: dict[str, JsonValue], unclear: str
) -> None:
    rule = {"tool": "*", "if": {"amount": condition}, "then": "deny", "reason": "Too much."}
    assert decide(spec(), rule, arguments=arguments).reason == f"Too much. {unclear}"


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        pytest.param((), "its effect, irreversible. ", id="effect"),
        pytest.param(({"tool": "*", "then": "ask"},), "policy rule 2. ", id="ask"),
        pytest.param(({"tool": "*", "then": "deny", "reason": "Too much."},), "Too much. ", id="deny"),
    ],
)
def test_the_reason_names_the_rule_that_did_not_allow_the_call(rules: tuple[dict[str, Any], ...], reason: str) -> None:
    up_to_50 = {"tool": "*", "if": {"amount": {"lte": 50}}, "then": "allow"}
    doubt = "Policy rule 1 doesn't allow it, because amount is text, and the rule has a number"
    assert decide(spec(), up_to_50, *rules, arguments={"amount": "10"}).reason == reason + doubt
    assert doubt not in decide(spec(), up_to_50, *rules, arguments={"amount": 51}).reason


def test_a_decision_to_ask_has_the_terms_of_its_rule() -> None:
    rule = {
        "tool": "*",
        "then": "ask",
        "approvers": ["ada", "finance"],
        "count": 2,
        "expires": "2h",
        "on_expiry": "escalate",
        "escalate_to": ["board"],
    }
    assert decide(spec(), rule) == PolicyDecision(
        action="ask",
        reason="policy rule 1",
        decided_by="policy rule 1",
        approvers=("ada", "finance"),
        count=2,
        expires=7200,
        on_expiry="escalate",
        escalate_to=("board",),
    )


@pytest.mark.parametrize("rules", [(), ({"tool": "*", "then": "ask"},)], ids=["effect", "rule"])
def test_without_terms_anyone_may_approve_within_a_day(rules: tuple[dict[str, Any], ...]) -> None:
    decision = decide(spec(), *rules)
    assert (decision.approvers, decision.count, decision.expires, decision.on_expiry) == ((), 1, None, "deny")
