from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import JsonValue

from agentkit.errors import ModelRequestRejected
from agentkit.interfaces import Model, ModelDelta, ModelRequest
from agentkit.messages import Message, ToolResult, user_message
from agentkit.specs import ModelSettings, ToolSpec

pytestmark = [pytest.mark.live, pytest.mark.key]

WEATHER = ToolSpec(
    name="mcp:weather/now",
    description="Returns the temperature of a city, in degrees Celsius.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)

WARMER: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"warmer": {"type": "string"}},
    "required": ["warmer"],
    "additionalProperties": False,
}


def _request(name: str, text: str) -> ModelRequest:
    settings = ModelSettings(max_output_tokens=2_000, thinking_budget=1_024)
    return ModelRequest(model=name, system="Be brief.", messages=(user_message(text),), settings=settings)


async def test_a_response_is_streamed_counted_and_priced(model: Model, name: str) -> None:
    deltas: list[ModelDelta] = []
    response = await model.respond(_request(name, "What is the capital of France?"), deltas.append)
    assert "Paris" in response.message.text
    assert "".join(delta.text for delta in deltas if delta.kind == "text") == response.message.text
    assert response.stop_reason == "end"
    assert response.usage.input_tokens > 0
    assert response.usage.cost_usd


async def test_parallel_calls_get_their_results_and_the_output_fits_the_schema(model: Model, name: str) -> None:
    task = "Ask for the weather of Oslo and of Rome, both in one step. Then say which city is warmer."
    request = replace(_request(name, task), tools=(WEATHER,))
    first = await model.respond(request)
    calls = first.message.tool_calls
    assert {call.name for call in calls} == {WEATHER.name}
    degrees = {"Oslo": "3", "Rome": "17"}
    results = tuple(
        ToolResult(call_id=call.id, name=call.name, content=degrees[str(call.arguments["city"])]) for call in calls
    )
    transcript = (*request.messages, first.message, Message(role="tool", parts=results))
    final = await model.respond(replace(request, messages=transcript, output_schema=WARMER))
    assert json.loads(final.message.text) == {"warmer": "Rome"}


async def test_an_unknown_model_is_rejected(model: Model, name: str) -> None:
    provider, _, _ = name.partition(":")
    with pytest.raises(ModelRequestRejected):
        await model.respond(_request(f"{provider}:no-such-model-at-all", "Hi"))
