from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelError, ModelNotAuthorized, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import ModelRequest, ModelResponse
from agentkit.llm import OpenRouterModel
from agentkit.messages import Message, TextPart, ThinkingPart, user_message
from agentkit.specs import ModelSettings
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerResponse, ServerScriptEntry, ServerToolCall

MODEL = "openrouter:anthropic/claude-sonnet-4.5"
SIGNED: dict[str, JsonValue] = {"type": "reasoning.text", "text": "Two.", "signature": "sig", "index": 0}
SSE = "text/event-stream"


def _request(*messages: Message, model: str = MODEL, **given: Any) -> ModelRequest:
    return ModelRequest(model=model, system="", messages=messages or (user_message("Hi"),), **given)


@asynccontextmanager
async def _serving(
    *answers: ServerScriptEntry, referer: str | None = None, title: str | None = None
) -> AsyncIterator[tuple[OpenRouterModel, ScriptedOpenAIServer]]:
    async with ScriptedOpenAIServer(answers) as server:
        model = OpenRouterModel(api_key="sk-or-test", base_url=server.url, referer=referer, title=title)
        async with aclosing(model):
            yield model, server


async def _ask(answer: ServerScriptEntry) -> ModelResponse:
    async with _serving(answer) as (model, _):
        return await model.respond(_request())


async def _sent(request: ModelRequest) -> dict[str, Any]:
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(request)
        return dict(server.requests[0].body)


async def test_a_rich_transcript_is_sent_as_the_golden_request_says(
    rich_request: Callable[[str], ModelRequest], assert_golden: Callable[[str, Mapping[str, object]], None]
) -> None:
    request = rich_request(MODEL)
    asked, said, results = request.messages
    thought = ThinkingPart(text="Two.", provider="openrouter", data=[SIGNED])
    said = said.model_copy(update={"parts": (thought, *said.parts[1:])})
    assert_golden("openrouter.json", await _sent(replace(request, messages=(asked, said, results))))


async def test_the_application_is_named_where_it_has_a_name() -> None:
    async with _serving(ServerResponse(text="ok"), referer="https://example.org", title="Opspawn") as (model, server):
        await model.respond(_request())
        headers = server.requests[0].headers
    assert (headers["http-referer"], headers["x-title"]) == ("https://example.org", "Opspawn")
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(_request())
        assert not {"http-referer", "x-title"} & server.requests[0].headers.keys()


async def test_the_cost_and_who_served_are_what_openrouter_says() -> None:
    response = await _ask(ServerResponse(text="ok", cost=0.0012, served_by="Anthropic"))
    assert response.usage.cost_usd == 0.0012
    assert response.served_by == "Anthropic"


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        pytest.param({"cost": 0.5, "cost_details": {"upstream_inference_cost": 10}}, 0.5, id="its own price"),
        pytest.param(
            {"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 10}},
            10.5,
            id="with what the provider behind it bills",
        ),
        pytest.param({"cost": 0.5, "is_byok": True}, None, id="which may be unknown"),
        pytest.param({}, None, id="not told"),
    ],
)
async def test_a_cost_is_all_that_is_paid(usage: dict[str, Any], cost: float | None) -> None:
    whole = {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}], "usage": usage}
    response = await _ask(RawResponse(body=json.dumps(whole), content_type="application/json"))
    assert response.usage.cost_usd == cost


async def test_thoughts_come_in_pieces_and_go_back_whole() -> None:
    details: tuple[dict[str, JsonValue], ...] = (
        {"type": "reasoning.text", "text": "I need ", "index": 0, "format": "anthropic-claude-v1"},
        {"type": "reasoning.text", "text": "a clock.", "index": 0},
        {"type": "reasoning.text", "signature": "sig", "index": 0, "text": None},
        {"type": "reasoning.encrypted", "data": "gAAA", "index": 1},
        {"type": "reasoning.text", "text": "no index"},
        {"type": "reasoning.text", "text": "neither"},
    )
    reply = ServerResponse(reasoning_details=details, thinking="I need a clock.", calls=(ServerToolCall(name="clock"),))
    response = await _ask(reply)
    sent = await _sent(_request(user_message("Hi"), response.message))
    assert sent["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "I need a clock.", "index": 0, "format": "anthropic-claude-v1",
         "signature": "sig"},
        *details[3:],
    ]  # fmt: skip


async def test_thoughts_of_another_model_or_provider_are_not_sent() -> None:
    own = ThinkingPart(text="", provider="openrouter", data=[SIGNED])
    other = ThinkingPart(text="", provider="openai", data={"type": "reasoning"})
    elsewhere = Message(role="assistant", parts=(own, TextPart(text="a")), model="openrouter:openai/gpt-5")
    here = Message(role="assistant", parts=(other, TextPart(text="b")), model=MODEL)
    sent = await _sent(_request(user_message("Hi"), elsewhere, here))
    assert sent["messages"][1:] == [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]


@pytest.mark.parametrize(
    ("budget", "sent"),
    [
        pytest.param(None, None, id="left to the model"),
        pytest.param(0, {"effort": "none"}, id="none"),
        pytest.param(2_000, {"max_tokens": 2_000}, id="some"),
    ],
)
async def test_how_much_a_model_may_think_is_told_in_tokens(budget: int | None, sent: object) -> None:
    body = await _sent(_request(settings=ModelSettings(thinking_budget=budget)))
    assert body.get("reasoning") == sent
    assert "reasoning_effort" not in body


def _chunk(**given: Any) -> RawResponse:
    return RawResponse(body=f"data: {json.dumps({'id': 'gen', 'choices': [], **given})}\n\n", content_type=SSE)


ERRED = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
RAW = {"code": 429, "message": "Provider returned error", "metadata": {"provider_name": "Azure", "raw": "slow down"}}


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        pytest.param(
            _chunk(error={"code": "server_error", "message": "Disconnected"}, choices=[ERRED]),
            ModelUnavailable,
            "Disconnected",
            id="a word as its code",
        ),
        pytest.param(
            _chunk(error=RAW, choices=[ERRED]),
            ModelUnavailable,
            r"Azure: slow down.*HTTP 429",
            id="the words of who is behind it",
        ),
        pytest.param(
            _chunk(choices=[{**ERRED, "error": {"code": 400, "message": "No such thing"}}]),
            ModelRequestRejected,
            "No such thing",
            id="inside the choice",
        ),
        pytest.param(_chunk(choices=[ERRED]), ModelUnavailable, "gave no reason", id="without a reason"),
        pytest.param(
            RawResponse(
                status=403,
                content_type="application/json",
                body=json.dumps(
                    {"error": {"code": 403, "message": "Flagged", "metadata": {"flagged_input": "x", "reasons": ["y"]}}}
                ),
            ),
            ContentRefused,
            "Flagged",
            id="moderation",
        ),
        pytest.param(
            RawResponse(status=401, body='{"error": {"code": 401, "message": "No"}}', content_type="application/json"),
            ModelNotAuthorized,
            "OPENROUTER_API_KEY",
            id="key",
        ),
        pytest.param(
            RawResponse(status=402, body='{"error": {"code": 402, "message": "No"}}', content_type="application/json"),
            ModelRequestRejected,
            "quota",
            id="credits",
        ),
        pytest.param(
            RawResponse(
                status=403,
                content_type="application/json",
                body='{"error": {"code": 403, "message": "Key limit exceeded (total limit)."}}',
            ),
            ModelRequestRejected,
            "quota",
            id="key limit",
        ),
    ],
)
async def test_its_errors_become_ours(answer: ServerScriptEntry, expected: type[ModelError], words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        await _ask(answer)
    assert type(caught.value) is expected


async def test_comments_that_keep_the_line_open_are_passed_over() -> None:
    event = json.dumps({"choices": [{"index": 0, "delta": {"content": "Noon."}, "finish_reason": "stop"}]})
    body = f": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {event}\n\ndata: [DONE]\n\n"
    assert (await _ask(RawResponse(body=body, content_type=SSE))).message.text == "Noon."


def test_the_key_never_shows() -> None:
    model = OpenRouterModel(api_key="sk-or-secret")
    assert repr(model) == "OpenRouterModel(provider='openrouter', base_url='https://openrouter.ai/api/v1')"
    assert "secret" not in repr(vars(model))
