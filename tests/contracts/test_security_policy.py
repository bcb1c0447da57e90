"""The contract of security policies: the same decision on the same call, with a reason; doubt makes no call easier."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.interfaces import PolicyDecision, SecurityPolicy
from agentkit.messages import ToolCall
from agentkit.runtime.calls.security_policy import RulePolicy
from agentkit.specs import AgentSpec, PolicyRule, ToolSpec
from tests.cpu_time import relative_cpu_s

POLICIES: tuple[SecurityPolicy, ...] = (RulePolicy(),)

Outcome = Literal["holds", "fails", "unclear"]

_names = st.text(st.sampled_from("ab-_*?[]!:/"), min_size=1, max_size=6)
_tools = st.builds(
    ToolSpec,
    name=_names,
    description=st.just(""),
    parameters=st.just({}),
    effect=st.sampled_from(["pure", "idempotent", "irreversible"]),
    approval=st.sampled_from([None, "always", "never"]),
)
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "A", "0"]), values),
    max_leaves=5,
)
_strict_json = _json.filter(lambda value: "NaN" not in (text := json.dumps(value)) and "Infinity" not in text)
_numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_conditions = st.fixed_dictionaries(
    {},
    optional={
        "equals": _strict_json.filter(lambda value: value is not None),
        "in": st.lists(_strict_json, min_size=1, max_size=3),
        "matches": st.sampled_from(["a", ".*", "[0-9]+", "^$"]),
        "lt": _numbers,
        "gte": _numbers,
        "exists": st.booleans(),
    },
).filter(bool)
_tests = st.dictionaries(st.sampled_from(["a", "b", "a.b", "a.0", "/a/b"]), _conditions, min_size=1, max_size=2)
_arguments = st.dictionaries(st.sampled_from(["a", "b", "A", "a.b"]), _json, max_size=3)
_rules = st.lists(
    st.fixed_dictionaries(
        {"tool": _names, "then": st.sampled_from(["allow", "ask", "deny"])},
        optional={"if": _tests, "effect": st.sampled_from(["pure", "irreversible"])},
    ).map(PolicyRule.model_validate),
    max_size=3,
).map(tuple)

every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)


def tool_spec(name: str = "pay", **options: Any) -> ToolSpec:
    return ToolSpec(name=name, description="", parameters={}, **options)


def agent(*tools: ToolSpec, rules: tuple[PolicyRule, ...] = ()) -> AgentSpec:
    return AgentSpec(name="a", models=("demo:demo",), planner="tools", tools=tools, policy=rules)


def decide(policy: SecurityPolicy, arguments: dict[str, JsonValue], *rules: dict[str, Any]) -> PolicyDecision:
    tool = tool_spec()
    spec = agent(tool, rules=tuple(map(PolicyRule.model_validate, rules)))
    return policy.decide(spec, tool, ToolCall(id="c", name="pay", arguments=arguments))


@every_policy
@given(tool=_tools, rules=_rules, arguments=_arguments)
def test_the_decision_on_a_call_is_always_the_same_and_has_a_reason_and_who_decided(
    policy: SecurityPolicy, tool: ToolSpec, rules: tuple[PolicyRule, ...], arguments: dict[str, JsonValue]
) -> None:
    call = ToolCall(id="c", name=tool.name, arguments=arguments)
    decision = policy.decide(agent(tool, rules=rules), tool, call)
    assert repr(decision) == repr(policy.decide(agent(tool, rules=rules), tool, call))
    assert decision.reason
    assert decision.decided_by


@every_policy
@given(tool=_tools.filter(lambda tool: tool.effect == "irreversible" and tool.approval is None))
def test_irreversible_calls_are_not_allowed_without_a_rule(policy: SecurityPolicy, tool: ToolSpec) -> None:
    decision = policy.decide(agent(tool), tool, ToolCall(id="c", name=tool.name))
    assert decision.action != "allow"


@every_policy
def test_a_tool_that_the_agent_does_not_list_is_never_allowed(policy: SecurityPolicy) -> None:
    rules = (PolicyRule(tool="*", then="allow"),)
    for unlisted in (tool_spec("drop", effect="pure", approval="never"), tool_spec("Pay"), tool_spec("pay ")):
        call = ToolCall(id="c", name=unlisted.name)
        assert policy.decide(agent(tool_spec("pay"), rules=rules), unlisted, call).action == "deny"
    call = ToolCall(id="c", name="drop")
    assert policy.decide(agent(tool_spec("pay"), rules=rules), tool_spec("pay"), call).action == "deny"


@every_policy
def test_a_call_whose_arguments_are_no_object_is_never_allowed(policy: SecurityPolicy) -> None:
    tool = tool_spec()
    call = ToolCall(id="c", name="pay", malformed='{"amount": 10')
    rules = (PolicyRule.model_validate({"tool": "*", "if": {"force": {"exists": False}}, "then": "allow"}),)
    assert policy.decide(agent(tool, rules=rules), tool, call).action == "deny"


@every_policy
@given(conditions=_tests, arguments=_arguments)
def test_a_call_that_a_condition_allows_is_one_that_the_same_condition_would_deny(
    policy: SecurityPolicy, conditions: dict[str, Any], arguments: dict[str, JsonValue]
) -> None:
    allowed = decide(policy, arguments, {"tool": "pay", "if": conditions, "then": "allow"})
    denied = decide(
        policy, arguments, {"tool": "pay", "if": conditions, "then": "deny"}, {"tool": "pay", "then": "allow"}
    )
    assert allowed.action == "ask" or denied.action == "deny"


HUGE = 10**400
NAN, INFINITY = float("nan"), float("inf")


def deep(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = {"a": value}
    return value


UP_TO_50: dict[str, Any] = {"amount": {"lte": 50}}
OVER_50: dict[str, Any] = {"amount": {"gt": 50}}
NESTED: dict[str, Any] = {"order.amount": {"lte": 50}}
PROD: dict[str, Any] = {"env": {"equals": "prod"}}
MAIL: dict[str, Any] = {"to": {"matches": r"[a-z.]+@example\.com"}}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], Outcome]] = [
    # Numbers.
    ("a number within the bound", UP_TO_50, {"amount": 50}, "holds"),
    ("a number above the bound", UP_TO_50, {"amount": 51}, "fails"),
    ("a fraction above the bound", UP_TO_50, {"amount": 50.000000000000007}, "fails"),
    ("text for a number", UP_TO_50, {"amount": "10"}, "unclear"),
    ("text of a number with a sign and white space", UP_TO_50, {"amount": " +1000 "}, "unclear"),
    ("a number in digits of another script", UP_TO_50, {"amount": "\u0665\u0660"}, "unclear"),
    ("a list with a number", UP_TO_50, {"amount": [10]}, "unclear"),
    ("an object with a number", UP_TO_50, {"amount": {"value": 10}}, "unclear"),
    ("true for one", UP_TO_50, {"amount": True}, "unclear"),
    ("false for zero", UP_TO_50, {"amount": False}, "unclear"),
    ("null for a number", UP_TO_50, {"amount": None}, "unclear"),
    ("no argument", UP_TO_50, {}, "unclear"),
    ("NaN", UP_TO_50, {"amount": NAN}, "unclear"),
    ("NaN above a bound", OVER_50, {"amount": NAN}, "unclear"),
    ("infinity, as 1e400 is read", UP_TO_50, {"amount": INFINITY}, "unclear"),
    ("negative infinity, as -1e400 is read", UP_TO_50, {"amount": -INFINITY}, "unclear"),
    ("an integer beyond all floats", UP_TO_50, {"amount": HUGE}, "fails"),
    ("a negative integer beyond all floats", UP_TO_50, {"amount": -HUGE}, "holds"),
    ("an integer that a float would round to the bound", {"n": {"lte": 2**53}}, {"n": 2**53 + 1}, "fails"),
    ("an integer that a float would round up to the bound", {"n": {"gt": float(2**53)}}, {"n": 2**53 + 1}, "holds"),
    ("an integer that rounds to the constant", {"n": {"equals": float(2**53)}}, {"n": 2**53 + 1}, "fails"),
    ("negative zero is not above zero", {"n": {"gt": 0}}, {"n": -0.0}, "fails"),
    ("negative zero is zero", {"n": {"equals": 0}}, {"n": -0.0}, "holds"),
    ("a whole float is its integer", {"n": {"equals": 1}}, {"n": 1.0}, "holds"),
    ("a negative amount under an upper bound only", UP_TO_50, {"amount": -1}, "holds"),
    ("a negative amount with a lower bound, too", {"amount": {"gt": 0, "lte": 50}}, {"amount": -1}, "fails"),
    ("a bound of one side holds and the other is unclear", {"a": {"gt": 0}, "b": {"gt": 0}}, {"a": 1}, "unclear"),
    ("a test that fails outweighs one that is unclear", {"a": {"gt": 0}, "b": {"gt": 0}}, {"a": 0}, "fails"),
    # Paths.
    ("a nested number", NESTED, {"order": {"amount": 50}}, "holds"),
    ("a key with a dot beside the path", NESTED, {"order": {"amount": 100}, "order.amount": 1}, "fails"),
    ("only a key with a dot", NESTED, {"order.amount": 1}, "unclear"),
    ("an object as JSON text", NESTED, {"order": '{"amount": 1}'}, "unclear"),
    ("a list around the object", NESTED, {"order": [{"amount": 1}]}, "unclear"),
    ("null instead of the object", NESTED, {"order": None}, "unclear"),
    ("a key with a dot, by a pointer", {"/order.amount": {"lte": 50}}, {"order.amount": 1}, "holds"),
    ("a pointer is not a dotted path", {"/order.amount": {"lte": 50}}, {"order": {"amount": 1}}, "unclear"),
    ("a pointer with escapes", {"/a~1b/~0c": {"equals": 1}}, {"a/b": {"~c": 1}}, "holds"),
    ("a position in a list", {"items.1.price": {"lt": 5}}, {"items": [{"price": 9}, {"price": 4}]}, "holds"),
    ("a position beyond the list", {"items.1.price": {"lt": 5}}, {"items": [{"price": 4}]}, "unclear"),
    ("a key that is a number", {"items.1": {"equals": "x"}}, {"items": {"1": "x"}}, "holds"),
    ("a negative position", {"items.-1": {"equals": "x"}}, {"items": ["x"]}, "unclear"),
    ("a position in digits of another script", {"items.\u0660": {"equals": "x"}}, {"items": ["x"]}, "unclear"),
    ("a position with a leading zero", {"items.00": {"equals": "x"}}, {"items": ["x"]}, "unclear"),
    ("a position in text", {"items.0": {"equals": "x"}}, {"items": "xyz"}, "unclear"),
    ("the same key in capitals, which some decoders accept", UP_TO_50, {"amount": 1, "AMOUNT": 1000}, "unclear"),
    ("only the key in capitals", UP_TO_50, {"Amount": 1000}, "unclear"),
    ("the same key with an invisible character", UP_TO_50, {"amount": 1, "amo\u200bunt": 1000}, "unclear"),
    ("the same key in full width", UP_TO_50, {"amount": 1, "\uff41mount": 1000}, "unclear"),
    ("the same key with a long s", {"costs": {"lt": 5}}, {"costs": 1, "co\u017fts": 1000}, "unclear"),
    ("other keys", UP_TO_50, {"amount": 1, "amounts": 1000, "currency": "EUR"}, "holds"),
    ("more keys than are compared", UP_TO_50, {"amount": 1, **{f"k{n}": n for n in range(10_000)}}, "unclear"),
    ("the path of an attribute", {"__class__": {"exists": True}}, {"amount": 1}, "fails"),
    ("deep arguments", {".".join("a" * 90): {"equals": 1}}, {"a": deep(89)}, "holds"),
    # Existence.
    ("an argument that exists", {"force": {"exists": True}}, {"force": False}, "holds"),
    ("an argument that is missing", {"force": {"exists": True}}, {}, "fails"),
    ("null for existence", {"force": {"exists": True}}, {"force": None}, "unclear"),
    ("null for absence", {"force": {"exists": False}}, {"force": None}, "unclear"),
    ("absence of a key that is written in capitals", {"force": {"exists": False}}, {"FORCE": True}, "unclear"),
    ("absence inside JSON text", {"order.discount": {"exists": False}}, {"order": '{"discount": 90}'}, "unclear"),
    ("absence inside a list", {"order.discount": {"exists": False}}, {"order": [{"discount": 90}]}, "unclear"),
    ("absence inside null", {"order.discount": {"exists": False}}, {"order": None}, "unclear"),
    ("absence inside nothing", {"order.discount": {"exists": False}}, {}, "holds"),
    ("absence of a list's item, from an object", {"items.1": {"exists": False}}, {"items": {"a": 1}}, "unclear"),
    ("an optional argument that is missing", {"n": {"exists": True, "gt": 5}}, {}, "fails"),
    # Equality.
    ("the same text", PROD, {"env": "prod"}, "holds"),
    ("another text", PROD, {"env": "staging"}, "fails"),
    ("text in capitals", PROD, {"env": "PROD"}, "unclear"),
    ("text with white space around it", PROD, {"env": " prod\n"}, "unclear"),
    ("text with an invisible character", PROD, {"env": "pr\u200dod"}, "unclear"),
    ("text with a direction mark", PROD, {"env": "\u202eprod"}, "unclear"),
    ("text with a variation selector", PROD, {"env": "prod\ufe0f"}, "unclear"),
    ("text with a null character", PROD, {"env": "prod\x00"}, "unclear"),
    ("text in full width", PROD, {"env": "\uff50\uff52\uff4f\uff44"}, "unclear"),
    ("decomposed characters", {"city": {"equals": "Zürich"}}, {"city": "Zu\u0308rich"}, "unclear"),
    ("characters without their accents", {"city": {"equals": "Zürich"}}, {"city": "Zurich"}, "fails"),
    ("half a character", PROD, {"env": "\ud800"}, "fails"),
    ("a list with the text", PROD, {"env": ["prod"]}, "unclear"),
    ("one for true", {"dry": {"equals": True}}, {"dry": 1}, "unclear"),
    ("the text true for true", {"dry": {"equals": True}}, {"dry": "true"}, "unclear"),
    ("zero for false", {"dry": {"equals": False}}, {"dry": 0}, "unclear"),
    ("null for false", {"dry": {"equals": False}}, {"dry": None}, "unclear"),
    ("the text of a number", {"n": {"equals": 5}}, {"n": "5"}, "unclear"),
    ("an equal list", {"ids": {"equals": [1, "a"]}}, {"ids": [1, "a"]}, "holds"),
    ("a list with one item more", {"ids": {"equals": [1]}}, {"ids": [1, 2]}, "fails"),
    ("a list with text for a number", {"ids": {"equals": [1, 2]}}, {"ids": ["1", 2]}, "unclear"),
    ("an equal object in another order", {"o": {"equals": {"a": 1, "b": 2}}}, {"o": {"b": 2, "a": 1}}, "holds"),
    ("an object with true for one", {"o": {"equals": {"a": 1}}}, {"o": {"a": True}}, "unclear"),
    ("an object with one key more", {"o": {"equals": {"a": 1}}}, {"o": {"a": 1, "b": 2}}, "fails"),
    ("an object with a key in capitals", {"o": {"equals": {"a": 1}}}, {"o": {"A": 1}}, "unclear"),
    ("one of several texts", {"env": {"in": ["dev", "test"]}}, {"env": "dev"}, "holds"),
    ("none of several texts", {"env": {"in": ["dev", "test"]}}, {"env": "prod"}, "fails"),
    ("one of several texts, in capitals", {"env": {"in": ["dev", "test"]}}, {"env": "Test"}, "unclear"),
    ("null among several", {"env": {"in": ["dev", None]}}, {"env": None}, "holds"),
    ("another number than several", {"n": {"in": [1, 2.5]}}, {"n": 3}, "fails"),
    ("true among numbers", {"n": {"in": [1, 2]}}, {"n": True}, "unclear"),
    # Patterns.
    ("text that matches as a whole", MAIL, {"to": "ada@example.com"}, "holds"),
    ("text that does not match", MAIL, {"to": "ada@example.org"}, "fails"),
    ("text that matches at its start", MAIL, {"to": "ada@example.com.evil.org"}, "unclear"),
    ("text that matches at its end", MAIL, {"to": "eve@evil.org,ada@example.com"}, "unclear"),
    ("text that matches on its last line", MAIL, {"to": "eve@evil.org\nada@example.com"}, "unclear"),
    ("text that matches before a line end", MAIL, {"to": "ada@example.com\n"}, "unclear"),
    ("a line end before the dollar", {"to": {"matches": "^ada$"}}, {"to": "ada\n"}, "unclear"),
    ("a list of texts that match", MAIL, {"to": ["ada@example.com", "eve@evil.org"]}, "unclear"),
    ("a number for text", {"to": {"matches": "[0-9]+"}}, {"to": 5}, "unclear"),
    ("a command inside another", {"command": {"matches": r"rm\s+-rf"}}, {"command": "true; rm \t-rf /"}, "unclear"),
    ("a line end for any character", {"command": {"matches": "rm.-rf"}}, {"command": "rm\n-rf /"}, "unclear"),
    ("a command over two lines", {"command": {"matches": "rm.*-rf"}}, {"command": "rm \\\n -rf /"}, "unclear"),
    ("a command with an invisible character", {"command": {"matches": "rm"}}, {"command": "r\u200bm -f /"}, "unclear"),
    ("a command in full width", {"command": {"matches": "rm -rf"}}, {"command": "\uff52\uff4d -rf /"}, "unclear"),
    ("a null character in text", {"command": {"matches": "rm -rf"}}, {"command": "r\x00m -rf /"}, "unclear"),
    ("half a character in text", {"command": {"matches": "rm -rf"}}, {"command": "rm -rf /\ud800"}, "unclear"),
    ("text that is too long to be matched", {"command": {"matches": "rm -rf"}}, {"command": "x" * 10_001}, "unclear"),
    ("text that is too long to be compared", PROD, {"env": "\u200b" * 10_001}, "unclear"),
]  # fmt: skip

every_case = pytest.mark.parametrize(
    ("conditions", "arguments", "outcome"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)


@every_policy
@every_case
def test_only_a_test_that_holds_allows_a_call(
    policy: SecurityPolicy, conditions: dict[str, Any], arguments: dict[str, JsonValue], outcome: Outcome
) -> None:
    decision = decide(policy, arguments, {"tool": "pay", "if": conditions, "then": "allow"})
    assert decision.action == ("allow" if outcome == "holds" else "ask")


@every_policy
@every_case
@pytest.mark.parametrize("then", ["ask", "deny"])
def test_only_a_test_that_fails_saves_a_call_from_a_rule_that_asks_or_denies(
    policy: SecurityPolicy, conditions: dict[str, Any], arguments: dict[str, JsonValue], outcome: Outcome, then: str
) -> None:
    rule = {"tool": "pay", "if": conditions, "then": then}
    decision = decide(policy, arguments, rule, {"tool": "*", "then": "allow"})
    assert decision.action == ("allow" if outcome == "fails" else then)


@every_policy
@pytest.mark.parametrize("size", [10_000, 1_000_000])
@pytest.mark.parametrize(
    "pattern", ["(x+x+)+y", "(a?){64}a{64}", "(.{0,60}a){4}", ".*a.{0,300}", "(a|aa)+$"], ids=lambda pattern: pattern
)
def test_no_pattern_and_no_text_hold_up_the_workflow(policy: SecurityPolicy, pattern: str, size: int) -> None:
    def decide_about_long_texts() -> None:
        for text in ("ab" * (size // 2), "a" * size, "x" * size):
            decide(policy, {"text": text}, {"tool": "pay", "if": {"text": {"matches": pattern}}, "then": "deny"})

    assert relative_cpu_s(decide_about_long_texts) < 10


@every_policy
def test_arguments_in_many_writings_do_not_hold_up_the_workflow(policy: SecurityPolicy) -> None:
    rule = {"tool": "pay", "if": {"env": {"in": [f"account-{n}" for n in range(1_000)]}}, "then": "deny"}
    arguments: dict[str, JsonValue] = {"env": "\u200bé" * 5_000, **{f"\uff2bey{n}": n for n in range(9_000)}}
    assert relative_cpu_s(lambda: decide(policy, arguments, *[rule] * 10)) < 10


@every_policy
@pytest.mark.parametrize(
    ("keys", "option_size"),
    [([f"\uff2bey{n}" for n in range(9_000)], 1), ([f"{n}" + "é" * 5_000 for n in range(100)], 100)],
    ids=["many keys", "long keys"],
)
def test_objects_with_any_keys_do_not_hold_up_the_workflow(
    policy: SecurityPolicy, keys: list[str], option_size: int
) -> None:
    options: list[JsonValue] = [{f"key{n}-{m}": 1 for m in range(option_size)} for n in range(1_000)]
    rule = {"tool": "pay", "if": {"to": {"in": options}}, "then": "deny"}
    assert relative_cpu_s(lambda: decide(policy, {"to": dict.fromkeys(keys, 1)}, rule)) < 10


@every_policy
def test_ten_times_as_many_keys_take_about_ten_times_as_long(policy: SecurityPolicy) -> None:
    tests = {f"key{n}": {"exists": n == 19} for n in range(20)}
    rules = [{"tool": "pay", "if": tests, "then": "deny"}] * 200

    def cpu_s(keys: int) -> float:
        arguments: dict[str, JsonValue] = {f"other{n}": n for n in range(keys)}
        return relative_cpu_s(lambda: decide(policy, arguments, *rules))

    assert min(cpu_s(9_000) for _ in range(5)) < 40 * min(cpu_s(900) for _ in range(5))


@every_policy
def test_the_reason_does_not_quote_long_keys(policy: SecurityPolicy) -> None:
    arguments: dict[str, JsonValue] = {"amount" + "\u200b" * 100_000: 1}
    assert len(decide(policy, arguments, {"tool": "pay", "if": UP_TO_50, "then": "deny"}).reason) < 1_000
