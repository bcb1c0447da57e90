from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.google.profile import generation_config
from agentkit.llm.google.request import wire_request
from agentkit.messages import user_message
from agentkit.specs import ModelSettings, ToolSpec

CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})
SCHEMA: dict[str, JsonValue] = {"type": "object", "properties": {"a": {"type": "string"}}}


def _request(name: str, settings: ModelSettings = ModelSettings()) -> ModelRequest:
    return ModelRequest(model=f"google:{name}", system="", messages=(user_message("Hi"),), settings=settings)


def test_settings_are_sent_only_where_they_are_set() -> None:
    assert generation_config(_request("gemini-3.8-flash")) == {}
    assert "generationConfig" not in wire_request(_request("gemini-3.8-flash"))
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
        pytest.param("gemini-2.5-pro", 0, {"thinkingBudget": 128}, id="2.5 pro can't but think"),
        pytest.param("gemini-3.8-flash", 0, {"thinkingLevel": "low"}, id="3 can't but think"),
    ],
)
def test_thinking_is_asked_for_in_the_way_that_the_model_takes(name: str, budget: int, expected: JsonValue) -> None:
    written = generation_config(_request(name, ModelSettings(thinking_budget=budget)))
    assert written == {"thinkingConfig": expected}


@pytest.mark.parametrize(
    ("name", "tools"),
    [
        pytest.param("gemini-3.8-flash", (CLOCK,), id="3 with tools"),
        pytest.param("gemini-3.8-flash", (), id="3"),
        pytest.param("gemini-2.5-flash", (), id="2.5"),
    ],
)
def test_an_answer_is_held_to_its_schema(name: str, tools: tuple[ToolSpec, ...]) -> None:
    written = wire_request(replace(_request(name), tools=tools, output_schema=SCHEMA))
    assert written["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    assert "toolConfig" not in written


def test_beside_tools_older_models_are_held_to_it_by_one_more() -> None:
    written = wire_request(replace(_request("gemini-2.5-flash"), tools=(CLOCK,), output_schema=SCHEMA))
    assert "generationConfig" not in written
    assert written["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert "give_final_output" in str(written["tools"])
