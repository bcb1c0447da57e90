from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.temporal.data_converter import CompactPayloadConverter
from agentkit.policy_rules import PolicyRule, argument_path
from agentkit.specs import AgentSpec

RULE: dict[str, Any] = {
    "tool": "pay",
    "effect": "irreversible",
    "if": {
        "order.amount": {"gt": 0, "lte": 50.5},
        "order.currency": {"in": ["EUR", None, 1, 1.0, True]},
        "/order/unit.price": {"equals": {"in": [10**30], "none": None}, "exists": True},
        "to": {"matches": "[a-z]+"},
    },
    "then": "ask",
    "reason": "Money.",
    "approvers": ["finance"],
    "count": 2,
    "expires": 3600.0,
    "on_expiry": "escalate",
    "escalate_to": ["board"],
}


def agent(*rules: dict[str, Any]) -> AgentSpec:
    return AgentSpec.model_validate({"name": "a", "models": ["demo:demo"], "planner": "tools", "policy": rules})


def test_the_json_of_a_rule_has_the_names_that_people_write() -> None:
    rule = PolicyRule.model_validate(RULE)
    assert json.loads(rule.canonical_json()) == RULE
    assert json.loads(rule.model_dump_json()) == RULE


def test_the_hash_of_an_agent_with_a_policy_is_the_same_after_it_was_in_history() -> None:
    spec = agent(RULE, {"tool": "*", "then": "deny"})
    converter = CompactPayloadConverter()
    for _ in range(3):
        (payload,) = converter.to_payloads([spec])
        (read,) = converter.from_payloads([payload], [AgentSpec])
        assert isinstance(read, AgentSpec)
        assert (read, read.hash, read.policy[0].if_) == (spec, spec.hash, spec.policy[0].if_)
        spec = read


_constants = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda values: st.lists(st.none() | values, max_size=3) | st.dictionaries(st.text(max_size=3), st.none() | values),
    max_leaves=5,
)


@given(constant=_constants, bound=st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_every_constant_is_the_same_after_it_was_in_history(constant: Any, bound: float) -> None:
    conditions = {"a": {"equals": constant, "lt": bound}, "b": {"in": [constant, None]}}
    spec = agent({"tool": "*", "if": conditions, "then": "deny"})
    (payload,) = CompactPayloadConverter().to_payloads([spec])
    (read,) = CompactPayloadConverter().from_payloads([payload], [AgentSpec])
    assert repr(read) == repr(spec), "also 1 and 1.0, and 0.0 and -0.0"
    assert read.hash == spec.hash


def test_an_agent_without_a_policy_has_none_in_its_json() -> None:
    assert b"policy" not in agent().canonical_json()


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("amount", ("amount",)),
        ("order.items.0.price", ("order", "items", "0", "price")),
        ("größe.x-y_z", ("größe", "x-y_z")),
        ("/order/unit.price", ("order", "unit.price")),
        ("/a~1b/~0/0", ("a/b", "~", "0")),
        ("/", ("",)),
        ("/a[0]/*", ("a[0]", "*")),
    ],
)
def test_a_path_names_keys_and_positions(path: str, parts: tuple[str, ...]) -> None:
    assert argument_path(path) == parts


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", "items[0]", "items.*", "$.a", "a b", "/a~2", "a/b", "a\n"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="expected names and list positions joined by dots"):
        argument_path(path)


@pytest.mark.parametrize(
    "change",
    [
        {"then": "always"},
        {"then": "allow"},
        {"tool": ""},
        {"effect": "harmless"},
        {"effect": None},
        {"if": None},
        {"if": {}},
        {"if": {"a": {}}},
        {"if": {"a": 50}},
        {"if": {"a": {"lte": None}}},
        {"if": {"a": {"lte": "50"}}},
        {"if": {"a": {"lte": True}}},
        {"if": {"a": {"lte": float("inf")}}},
        {"if": {"a": {"gt": float("nan")}}},
        {"if": {"a": {"equals": None}}},
        {"if": {"a": {"equals": [float("inf")]}}},
        {"if": {"a": {"equals": "\ud800"}}},
        {"if": {"a": {"in": []}}},
        {"if": {"a": {"in": "EUR"}}},
        {"if": {"a": {"in_": ["EUR"]}}},
        {"if": {"a": {"exists": 1}}},
        {"if": {"a": {"exists": "no"}}},
        {"if": {"a": {"matches": 5}}},
        {"if": {"a": {"matches": "x" * 1_001}}},
        {"if": {"a..b": {"lte": 5}}},
        {"if": {"a" * 201: {"lte": 5}}},
        {"if_": {"a": {"lte": 5}}},
        {"count": 0},
        {"count": True},
        {"count": "2"},
        {"approvers": []},
        {"approvers": "finance"},
        {"approvers": [""]},
        {"expires": 0},
        {"expires": "soon"},
        {"on_expiry": "allow"},
        {"on_expiry": "deny"},
        {"escalate_to": None},
        {"reason": ""},
        {"unless": {}},
    ],
    ids=repr,
)
def test_a_rule_with_a_wrong_value_is_refused(change: dict[str, Any]) -> None:
    PolicyRule.model_validate(RULE)
    with pytest.raises(ValidationError):
        PolicyRule.model_validate(RULE | change)
