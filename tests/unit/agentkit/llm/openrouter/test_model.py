from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelError, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import ModelRequest, ModelResponse
from agentkit.llm.openrouter.model import OpenRouterModel, openrouter_body
from agentkit.messages import Message, TextPart, ThinkingPart, user_message
from agentkit.specs import ModelSettings
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerResponse, ServerScriptEntry, ServerToolCall

MODEL = "openrouter:anthropic/claude-sonnet-4.5"
REQUEST = ModelRequest(model=MODEL, system="", messages=(user_message("Hi"),))
SIGNED: dict[str, JsonValue] = {"type": "reasoning.text", "text": "Two.", "signature": "sig", "index": 0}


async def _respond(entry: ServerScriptEntry) -> ModelResponse:
    async with ScriptedOpenAIServer([entry]) as server, aclosing(OpenRouterModel(base_url=server.url)) as model:
        return await model.respond(REQUEST)


async def _received(
    request: ModelRequest, *, referer: str | None = None, title: str | None = None
) -> tuple[Mapping[str, object], Mapping[str, str]]:
    """Return the body and headers that a server receives."""
    async with (
        ScriptedOpenAIServer([ServerResponse(text="ok")]) as server,
        aclosing(OpenRouterModel(base_url=server.url, referer=referer, title=title)) as model,
    ):
        await model.respond(request)
        return server.requests[0].body, server.requests[0].headers


def _messages(*messages: Message) -> Any:
    return openrouter_body(replace(REQUEST, messages=messages))["messages"]


async def test_a_request_with_everything_is_the_golden_one(
    rich_request: Callable[[str], ModelRequest], assert_golden: Callable[[str, Mapping[str, object]], None]
) -> None:
    request = rich_request(MODEL)
    user, assistant, results = request.messages
    thought = ThinkingPart(text="Two.", provider="openrouter", data=[SIGNED])
    assistant = assistant.model_copy(update={"parts": (thought, *assistant.parts[1:])})
    body, _ = await _received(replace(request, messages=(user, assistant, results)))
    assert_golden("openrouter.json", body)


async def test_the_application_is_named_in_headers_only_if_it_has_a_name() -> None:
    _, headers = await _received(REQUEST, referer="https://example.org", title="Opspawn")
    assert (headers["http-referer"], headers["x-title"]) == ("https://example.org", "Opspawn")
    _, headers = await _received(REQUEST)
    assert not {"http-referer", "x-title"} & headers.keys()


async def test_cost_and_provider_are_what_openrouter_reports() -> None:
    response = await _respond(ServerResponse(text="ok", cost=0.0012, served_by="Anthropic"))
    assert response.usage.cost_usd == 0.0012
    assert response.served_by == "Anthropic"


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        pytest.param(
            {"cost": 0.5, "cost_details": {"upstream_inference_cost": 10}}, 0.5, id="all charged by OpenRouter"
        ),
        pytest.param(
            {"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 10}},
            10.5,
            id="the provider behind it charges too",
        ),
        pytest.param({"cost": 0.5, "is_byok": True}, None, id="what the provider charges is unknown"),
        pytest.param({}, None, id="not reported"),
    ],
)
async def test_the_cost_is_all_that_is_charged(usage: dict[str, Any], cost: float | None) -> None:
    complete = {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}], "usage": usage}
    response = await _respond(RawResponse(body=json.dumps(complete), content_type="application/json"))
    assert response.usage.cost_usd == cost


async def test_reasoning_details_are_joined_and_sent_back() -> None:
    details: tuple[dict[str, JsonValue], ...] = (
        {"type": "reasoning.text", "text": "I need ", "index": 0, "format": "anthropic-claude-v1"},
        {"type": "reasoning.text", "text": "a clock.", "index": 0},
        {"type": "reasoning.text", "signature": "sig", "index": 0, "text": None},
        {"type": "reasoning.encrypted", "data": "gAAA", "index": 1},
        {"type": "reasoning.text", "text": "no index"},
        {"type": "reasoning.text", "text": "neither"},
    )
    calls = (ServerToolCall(name="clock"),)
    response = await _respond(ServerResponse(reasoning_details=details, thinking="I need a clock.", calls=calls))
    assert _messages(user_message("Hi"), response.message)[1]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "I need a clock.", "index": 0, "format": "anthropic-claude-v1",
         "signature": "sig"},
        *details[3:],
    ]  # fmt: skip


def test_reasoning_of_another_model_or_provider_is_not_sent() -> None:
    own = ThinkingPart(text="", provider="openrouter", data=[SIGNED])
    other = ThinkingPart(text="", provider="openai", data={"type": "reasoning"})
    other_model = Message(role="assistant", parts=(own, TextPart(text="a")), model="openrouter:openai/gpt-5")
    other_provider = Message(role="assistant", parts=(other, TextPart(text="b")), model=MODEL)
    assert _messages(user_message("Hi"), other_model, other_provider)[1:] == [
        {"role": "assistant", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        pytest.param(None, None, id="left to the model"),
        pytest.param(0, {"effort": "none"}, id="none"),
        pytest.param(2_000, {"max_tokens": 2_000}, id="some"),
    ],
)
def test_a_thinking_budget_is_sent_in_tokens(budget: int | None, expected: object) -> None:
    body = openrouter_body(replace(REQUEST, settings=ModelSettings(thinking_budget=budget)))
    assert body.get("reasoning") == expected
    assert "reasoning_effort" not in body


def _chunk(**fields: Any) -> RawResponse:
    chunk = json.dumps({"id": "gen", "choices": [], **fields})
    return RawResponse(body=f"data: {chunk}\n\n", content_type="text/event-stream")


def _error(status: int, **fields: Any) -> RawResponse:
    body = json.dumps({"error": {"code": status, **fields}})
    return RawResponse(status=status, body=body, content_type="application/json")


FAILED = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
UPSTREAM = {
    "code": 429,
    "message": "Provider returned error",
    "metadata": {"provider_name": "Azure", "raw": "slow down"},
}


@pytest.mark.parametrize(
    ("entry", "expected", "message"),
    [
        pytest.param(
            _chunk(error={"code": "server_error", "message": "Disconnected"}, choices=[FAILED]),
            ModelUnavailable,
            "Disconnected",
            id="text as the code",
        ),
        pytest.param(
            _chunk(error=UPSTREAM, choices=[FAILED]),
            ModelUnavailable,
            r"Azure: slow down.*HTTP 429",
            id="message of the provider behind it",
        ),
        pytest.param(
            _chunk(choices=[{**FAILED, "error": {"code": 400, "message": "No such thing"}}]),
            ModelRequestRejected,
            "No such thing",
            id="error inside the choice",
        ),
        pytest.param(_chunk(choices=[FAILED]), ModelUnavailable, "gave no reason", id="no reason"),
        pytest.param(
            _error(403, message="Flagged", metadata={"flagged_input": "x", "reasons": ["y"]}),
            ContentRefused,
            "Flagged",
            id="moderation",
        ),
        pytest.param(
            _error(403, message="Key limit exceeded (total limit)."), ModelRequestRejected, "quota", id="key limit"
        ),
    ],
)
async def test_openrouters_own_errors_are_classified(
    entry: ServerScriptEntry, expected: type[ModelError], message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        await _respond(entry)
    assert type(caught.value) is expected


async def test_comments_that_keep_the_connection_open_are_ignored() -> None:
    event = json.dumps({"choices": [{"index": 0, "delta": {"content": "Noon."}, "finish_reason": "stop"}]})
    body = f": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {event}\n\ndata: [DONE]\n\n"
    assert (await _respond(RawResponse(body=body, content_type="text/event-stream"))).message.text == "Noon."


async def test_without_an_address_it_is_openrouters_own() -> None:
    async with aclosing(OpenRouterModel(api_key="sk-or-secret")) as model:
        assert repr(model) == "OpenRouterModel(provider='openrouter', base_url='https://openrouter.ai/api/v1')"
