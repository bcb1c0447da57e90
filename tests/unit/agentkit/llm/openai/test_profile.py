from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.llm.openai.profile import accepts_temperature, is_strict, json_schema_format, may_reason, provider_call_id, reasoning_effort


@pytest.mark.parametrize("name", ["clock", "a-b_C9", "x" * 64])
def test_allowed_names_stay(name: str) -> None:
    assert provider_tool_name(name) == name


@given(st.text())
def test_every_name_and_id_becomes_an_allowed_one(text: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", provider_tool_name(text))
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", provider_call_id(text))


def test_names_that_look_alike_stay_apart() -> None:
    names = ["mcp:a/b", "mcp:a_b", "mcp_a/b", "mcp_a_b", "y" * 65, "y" * 66]
    assert len({provider_tool_name(name) for name in names}) == len(names)


CLOSED: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


def _with(answer: JsonValue) -> dict[str, JsonValue]:
    return {**CLOSED, "properties": {"answer": answer}}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        pytest.param(CLOSED, True, id="closed"),
        pytest.param({**CLOSED, "additionalProperties": True}, False, id="open"),
        pytest.param({**CLOSED, "required": []}, False, id="optional property"),
        pytest.param({**CLOSED, "required": None}, False, id="nothing required"),
        pytest.param({"type": "object", "additionalProperties": False}, True, id="empty"),
        pytest.param(_with({"type": "object"}), False, id="open inside"),
        pytest.param(_with({"anyOf": [CLOSED, {"type": "null"}]}), True, id="closed inside"),
        pytest.param(_with({"type": "array", "items": {"type": "object"}}), False, id="open in a list"),
        pytest.param(_with({"type": "string", "minLength": 3}), False, id="a keyword it doesn't know"),
        pytest.param(_with({"allOf": [{"type": "string"}]}), False, id="allOf"),
        pytest.param({**CLOSED, "properties": {"allOf": {"type": "string"}}, "required": ["allOf"]}, True,
                     id="a property named like a keyword"),
        pytest.param({**CLOSED, "$defs": {"x": {"type": "object"}}}, False, id="open in a definition"),
    ],
)  # fmt: skip
def test_a_schema_is_enforced_where_openai_can(schema: dict[str, JsonValue], strict: bool) -> None:
    assert is_strict(schema) is strict
    assert json_schema_format(schema) == {"name": "output", "schema": schema, "strict": strict}


def test_only_an_object_is_told_to_openai() -> None:
    assert json_schema_format(None) is None
    assert json_schema_format({"type": "array"}) is None
    assert json_schema_format({"type": "array"}, any_root=True) is not None


@pytest.mark.parametrize(
    ("model", "thinks", "temperature"),
    [
        ("gpt-5-mini", True, False),
        ("gpt-6-astra", True, False),
        ("o4-mini", True, False),
        ("ft:gpt-5-mini:me", True, False),
        ("gpt-4.1", False, True),
        ("gpt-4o-mini", False, True),
        ("gpt-5-chat-latest", False, True),
        ("llama3.2", True, True),
    ],
)
def test_which_models_think_and_which_take_a_temperature(model: str, thinks: bool, temperature: bool) -> None:
    assert (may_reason(model), accepts_temperature(model)) == (thinks, temperature)


@pytest.mark.parametrize(
    ("model", "budget", "expected"),
    [
        ("gpt-5-mini", None, None),
        ("gpt-5-mini", 0, "minimal"),
        ("gpt-5-mini-2025-08-07", 0, "minimal"),
        ("gpt-5.1", 0, "none"),
        ("o4-mini", 0, "low"),
        ("gpt-5-mini", 1, "low"),
        ("gpt-5-mini", 2_049, "medium"),
        ("gpt-5-mini", 8_193, "high"),
        ("gpt-4.1", 8_193, None),
    ],
)
def test_a_budget_of_tokens_becomes_an_effort(model: str, budget: int | None, expected: str | None) -> None:
    assert reasoning_effort(model, budget) == expected
