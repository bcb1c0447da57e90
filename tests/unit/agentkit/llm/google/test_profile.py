from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.google.profile import generation_config
from agentkit.llm.google.request import gemini_body
from agentkit.messages import user_message
from agentkit.specs import ModelSettings, ToolSpec

CLOCK = ToolSpec(name="clock", description="Returns the time.", parameters={"type": "object", "properties": {}})
SCHEMA: dict[str, JsonValue] = {"type": "object", "properties": {"a": {"type": "string"}}}


def _request(name: str, settings: ModelSettings = ModelSettings()) -> ModelRequest:
    return ModelRequest(model=f"google:{name}", system="", messages=(user_message("Hi"),), settings=settings)


def test_settings_are_sent_only_where_they_are_set() -> None:
    assert generation_config(_request("gemini-3.8-flash")) == {}
    assert "generationConfig" not in gemini_body(_request("gemini-3.8-flash"))
    settings = ModelSettings(temperature=0, max_output_tokens=50, seed=7)
    assert generation_config(_request("gemini-3.8-flash", settings)) == {
        "temperature": 0,
        "maxOutputTokens": 50,
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("name", "budget", "expected"),
    [
        pytest.param("gemini-2.5-flash", 2_000, {"thinkingBudget": 2_000, "includeThoughts": True}, id="2.5"),
        pytest.param("gemini-3.8-flash", 2_000, {"thinkingBudget": 2_000, "includeThoughts": True}, id="3"),
        pytest.param("gemini-2.5-flash", 0, {"thinkingBudget": 0}, id="2.5, none"),
        pytest.param("gemini-2.5-pro", 0, {"thinkingBudget": 128}, id="2.5 pro always thinks"),
        pytest.param("gemini-3.8-flash", 0, {"thinkingLevel": "low"}, id="3 always thinks"),
    ],
)
def test_thinking_is_requested_in_the_fields_that_the_model_accepts(
    name: str, budget: int, expected: JsonValue
) -> None:
    config = generation_config(_request(name, ModelSettings(thinking_budget=budget)))
    assert config == {"thinkingConfig": expected}


@pytest.mark.parametrize(
    ("name", "tools"),
    [
        pytest.param("gemini-3.8-flash", (CLOCK,), id="3 with tools"),
        pytest.param("gemini-3.8-flash", (), id="3"),
        pytest.param("gemini-2.5-flash", (), id="2.5"),
    ],
)
def test_the_output_is_constrained_to_its_schema(name: str, tools: tuple[ToolSpec, ...]) -> None:
    body = gemini_body(replace(_request(name), tools=tools, output_schema=SCHEMA))
    assert body["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    assert "toolConfig" not in body


def test_older_models_with_tools_get_the_schema_as_one_more_tool() -> None:
    body = gemini_body(replace(_request("gemini-2.5-flash"), tools=(CLOCK,), output_schema=SCHEMA))
    assert "generationConfig" not in body
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert "give_final_output" in str(body["tools"])
