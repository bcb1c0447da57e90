from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.profile import (
    accepts_format_with_tools,
    accepts_temperature,
    arguments_json,
    json_schema_format,
    may_reason,
    output_mode,
    reasoning_effort,
    requires_reasoning,
    result_text,
    system_prompt,
)
from agentkit.messages import ToolCall, ToolResult
from agentkit.specs import ModelSettings, ToolSpec

CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})
WITHOUT_FORMAT = ModelSettings(omit=("response_format",))
REQUEST = ModelRequest(model="openai:m", system="Be brief.", messages=(), output_schema={"type": "object"})


def test_malformed_arguments_are_sent_as_an_empty_object() -> None:
    assert arguments_json(ToolCall(id="1", name="add", arguments={"a": "é"})) == '{"a": "é"}'
    assert arguments_json(ToolCall(id="1", name="add", malformed="{no")) == "{}"


@pytest.mark.parametrize(
    ("content", "is_error", "text"),
    [("noon", False, "noon"), ("No clock", True, "Error: No clock"), ("Error 7", True, "Error 7")],
)
def test_the_text_of_an_error_starts_with_error(content: str, is_error: bool, text: str) -> None:
    assert result_text(ToolResult(call_id="1", name="clock", content=content, is_error=is_error)) == text


@pytest.mark.parametrize(
    ("schema", "any_root", "is_sent"),
    [
        (None, False, False),
        ({"type": "array"}, False, False),
        ({"type": "array"}, True, True),
        ({"type": "object"}, False, True),
    ],
)
def test_a_schema_is_sent_as_a_format_only_if_the_server_accepts_its_root(
    schema: dict[str, JsonValue] | None, any_root: bool, is_sent: bool
) -> None:
    expected = {"name": "output", "schema": schema, "strict": False} if is_sent else None
    assert json_schema_format(schema, any_root=any_root) == expected


@pytest.mark.parametrize(
    ("changes", "with_tools", "expected"),
    [
        pytest.param({"output_schema": None}, True, None, id="no schema"),
        pytest.param({}, True, "format", id="format"),
        pytest.param({"tools": (CLOCK,)}, True, "format", id="format and tools"),
        pytest.param({"tools": (CLOCK,)}, False, "tool", id="not together with tools"),
        pytest.param({}, False, "format", id="no tools"),
        pytest.param({"output_schema": {"type": "array"}}, True, "instructions", id="no object"),
        pytest.param({"output_schema": {"type": "array"}, "tools": (CLOCK,)}, True, "tool", id="no object, tools"),
        pytest.param({"settings": WITHOUT_FORMAT}, True, "instructions", id="left out"),
        pytest.param({"settings": WITHOUT_FORMAT, "tools": (CLOCK,)}, True, "tool", id="left out, tools"),
    ],
)
def test_a_schema_is_sent_as_a_format_as_a_tool_or_in_words(
    changes: dict[str, Any], with_tools: bool, expected: str | None
) -> None:
    request = replace(REQUEST, **changes)
    mode = output_mode(request, format_field="response_format", with_tools=with_tools)
    assert mode == expected
    assert ("fits this schema" in system_prompt(request, mode)) == (expected == "instructions")


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-5-mini", True),
        ("openrouter", "openai/gpt-5-mini", True),
        ("openrouter", "openai/gpt-oss-120b", False),
        ("openrouter", "anthropic/claude-sonnet-5", False),
        ("openai-compatible", "gpt-5-mini", False),
    ],
)
def test_a_format_and_tools_are_sent_together_only_to_openais_models(provider: str, model: str, expected: bool) -> None:
    assert accepts_format_with_tools(provider, model) is expected


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai-compatible", "kimi-k2-thinking", True),
        ("openai", "deepseek-v4-pro", True),
        ("openrouter", "moonshotai/kimi-k2", False),
        ("openai-compatible", "llama3.2", False),
    ],
)
def test_some_models_require_reasoning_with_calls(provider: str, model: str, expected: bool) -> None:
    assert requires_reasoning(provider, model) is expected


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
