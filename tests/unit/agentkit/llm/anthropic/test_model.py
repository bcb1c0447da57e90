"""What is sent to Anthropic's API, and read from it, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.model import AnthropicModel
from agentkit.llm.shared.streaming_model import ModelOptions
from agentkit.llm.shared.streams.response_timeouts import ResponseTimeouts
from agentkit.messages import user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import (
    RawResponse,
    ScriptedAnthropicServer,
    ServerResponse,
    ServerScriptEntry,
    ServerToolCall,
)

CLOCK = ToolSpec(name="clock", description="Returns the time.", parameters={"type": "object"})
REQUEST = ModelRequest(model="anthropic:claude-sonnet-5", system="", messages=(user_message("Hi"),))
OPEN_OBJECT: dict[str, JsonValue] = {"type": "object"}
KEY = "sk-ant-0123456789abcdef"


@asynccontextmanager
async def _serving(*script: ServerScriptEntry) -> AsyncIterator[tuple[AnthropicModel, ScriptedAnthropicServer]]:
    async with (
        ScriptedAnthropicServer(script) as server,
        aclosing(AnthropicModel(api_key=KEY, base_url=server.url)) as model,
    ):
        yield model, server


async def test_it_streams_and_sends_the_key_in_the_headers_of_old_and_new_servers() -> None:
    request = replace(REQUEST, settings=ModelSettings(extra_headers={"X-Route": "eu"}))
    async with _serving(ServerResponse(text="ok")) as (model, server):
        await model.respond(request)
        received = server.requests[0]
    assert received.body["model"] == "claude-sonnet-5"
    assert received.body["stream"] is True
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["x-api-key"] == KEY
    assert received.headers["x-route"] == "eu"


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_an_address_may_end_with_the_version_or_without(suffix: str) -> None:
    async with (
        ScriptedAnthropicServer([ServerResponse(text="ok")]) as server,
        aclosing(AnthropicModel(base_url=server.url + suffix)) as model,
    ):
        assert (await model.respond(REQUEST)).message.text == "ok"


async def test_thinking_is_sent_back_in_the_next_request() -> None:
    script = (ServerResponse(thinking="Hmm.", calls=(ServerToolCall(name="clock"),)), ServerResponse(text="ok"))
    async with _serving(*script) as (model, server):
        response = await model.respond(REQUEST)
        await model.respond(replace(REQUEST, messages=(*REQUEST.messages, response.message)))
        _, message = server.requests[1].messages
    assert message["content"][0] == {"type": "thinking", "thinking": "Hmm.", "signature": "signature-0"}


async def test_a_schema_that_text_can_not_be_constrained_to_is_sent_as_a_tool_that_must_be_called() -> None:
    request = replace(REQUEST, model="anthropic:claude-haiku-4-5", output_schema=OPEN_OBJECT)
    call = ServerToolCall(name="give_final_output", arguments={"a": 1})
    async with _serving(ServerResponse(calls=(call,))) as (model, server):
        response = await model.respond(request)
        body = server.requests[0].body
    assert [tool["input_schema"]["type"] for tool in body["tools"]] == ["object"]
    assert body["tool_choice"] == {"type": "tool", "name": "give_final_output"}
    assert response.message.text == '{"a": 1}'


async def test_with_other_tools_any_must_be_called_unless_the_model_rejects_that() -> None:
    request = replace(REQUEST, model="anthropic:claude-haiku-4-5", output_schema=OPEN_OBJECT, tools=(CLOCK,))
    async with _serving(ServerResponse(text="{}"), ServerResponse(text="{}")) as (model, server):
        await model.respond(request)
        await model.respond(replace(request, model="anthropic:claude-opus-5-5"))
        first, second = server.requests
    assert first.body["tool_choice"] == {"type": "any"}
    assert "tool_choice" not in second.body
    assert len(second.body["tools"]) == 2


async def test_a_server_that_does_not_stream_is_supported() -> None:
    body = {"type": "message", "content": [{"type": "text", "text": "Noon."}], "stop_reason": "end_turn"}
    async with _serving(RawResponse(body=json.dumps(body), content_type="application/json")) as (model, _):
        assert (await model.respond(REQUEST)).message.text == "Noon."


async def test_events_without_output_such_as_pings_extend_the_timeout() -> None:
    timeouts = ResponseTimeouts(first_byte=0.5, idle=0.5)
    async with (
        ScriptedAnthropicServer([ServerResponse(text="Noon.", pause=0.2)]) as server,  # the text is the fourth event
        aclosing(AnthropicModel(base_url=server.url, options=ModelOptions(timeouts=timeouts))) as model,
    ):
        assert (await model.respond(REQUEST)).message.text == "Noon."
