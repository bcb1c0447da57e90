from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.profile import (
    accepts_temperature,
    arguments_json,
    image_url,
    is_strict,
    json_schema_format,
    may_reason,
    provider_call_id,
    reasoning_effort,
    result_text,
    system_prompt,
)
from agentkit.messages import ImagePart, ToolCall, ToolResult


@given(st.text())
def test_any_call_id_becomes_an_allowed_one(text: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", provider_call_id(text))


def test_malformed_arguments_are_sent_as_an_empty_object() -> None:
    assert arguments_json(ToolCall(id="1", name="add", arguments={"a": "é"})) == '{"a": "é"}'
    assert arguments_json(ToolCall(id="1", name="add", malformed="{no")) == "{}"


@pytest.mark.parametrize(
    ("content", "is_error", "text"),
    [("noon", False, "noon"), ("No clock", True, "Error: No clock"), ("Error 7", True, "Error 7")],
)
def test_the_text_of_an_error_starts_with_error(content: str, is_error: bool, text: str) -> None:
    assert result_text(ToolResult(call_id="1", name="clock", content=content, is_error=is_error)) == text


def test_an_image_is_its_url_or_a_data_url() -> None:
    assert image_url(ImagePart(url="https://example.org/a.png")) == "https://example.org/a.png"
    assert image_url(ImagePart(data=b"aGk=", media_type="image/png")) == "data:image/png;base64,aGk="


CLOSED: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def _with(city: JsonValue) -> dict[str, JsonValue]:
    return {**CLOSED, "properties": {"city": city}}


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
        pytest.param(_with({"type": "string", "minLength": 3}), False, id="a keyword that OpenAI lacks"),
        pytest.param(_with({"allOf": [{"type": "string"}]}), False, id="allOf"),
        pytest.param({**CLOSED, "properties": {"allOf": {"type": "string"}}, "required": ["allOf"]}, True,
                     id="a property named like a keyword"),
        pytest.param({**CLOSED, "$defs": {"x": {"type": "object"}}}, False, id="open in a definition"),
    ],
)  # fmt: skip
def test_a_schema_is_strict_if_openai_can_enforce_it(schema: dict[str, JsonValue], strict: bool) -> None:
    assert is_strict(schema) is strict
    assert json_schema_format(schema) == {"name": "output", "schema": schema, "strict": strict}


@pytest.mark.parametrize(
    ("schema", "any_root", "is_sent"),
    [
        (None, False, False),
        ({"type": "array"}, False, False),
        ({"type": "array"}, True, True),
        ({"type": "object"}, False, True),
    ],
)
def test_a_schema_is_sent_as_a_format_or_written_into_the_instructions(
    schema: dict[str, JsonValue] | None, any_root: bool, is_sent: bool
) -> None:
    request = ModelRequest(model="openai:m", system="Be brief.", messages=(), output_schema=schema)
    prompt = system_prompt(request, any_root=any_root)
    assert (json_schema_format(schema, any_root=any_root) is not None) == is_sent
    assert prompt.startswith("Be brief.")
    assert ("fits this schema" in prompt) == (schema is not None and not is_sent)


@pytest.mark.parametrize(
    ("model", "reasons", "temperature"),
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
def test_models_may_reason_or_accept_a_temperature_by_their_name(model: str, reasons: bool, temperature: bool) -> None:
    assert (may_reason(model), accepts_temperature(model)) == (reasons, temperature)


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
