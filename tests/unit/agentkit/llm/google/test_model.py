"""What is sent to Google's API, and read from it, over HTTP."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from agentkit.interfaces import ModelRequest
from agentkit.llm.google.model import GoogleModel
from agentkit.llm.shared.streaming_model import ModelOptions
from agentkit.llm.shared.streams.response_timeouts import ResponseTimeouts
from agentkit.messages import user_message
from agentkit.specs import ModelSettings
from agentkit.testing import RawResponse, ReceivedGeminiRequest, ScriptedGeminiServer, ServerResponse

REQUEST = ModelRequest(model="google:gemini-3.8-flash", system="", messages=(user_message("Hi"),))
KEY = "AIzaSy0123456789abcdef"


async def test_it_sends_the_key_as_a_header_and_the_settings_in_the_body() -> None:
    request = replace(REQUEST, system="Be brief.", settings=ModelSettings(extra_headers={"X-Route": "eu"}))
    async with (
        ScriptedGeminiServer([ServerResponse(text="ok")]) as server,
        aclosing(GoogleModel(api_key=KEY, base_url=server.url)) as model,
    ):
        await model.respond(request)
    (received,) = server.requests
    assert isinstance(received, ReceivedGeminiRequest)
    assert (received.version, received.model) == ("v1beta", "gemini-3.8-flash")
    assert received.headers["x-goog-api-key"] == KEY
    assert received.headers["x-route"] == "eu"
    assert received.body == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }


@pytest.mark.parametrize(
    ("suffix", "version"), [("", "v1beta"), ("/", "v1beta"), ("/v1", "v1"), ("/v1/", "v1"), ("/v1beta", "v1beta")]
)
async def test_an_address_may_end_with_the_version_of_the_api(suffix: str, version: str) -> None:
    async with (
        ScriptedGeminiServer([ServerResponse(text="ok")]) as server,
        aclosing(GoogleModel(base_url=server.url + suffix)) as model,
    ):
        await model.respond(REQUEST)
    (received,) = server.requests
    assert isinstance(received, ReceivedGeminiRequest)
    assert received.version == version


async def test_a_server_that_does_not_stream_is_supported() -> None:
    body = {"candidates": [{"content": {"parts": [{"text": "Noon."}]}, "finishReason": "STOP"}]}
    response = RawResponse(body=json.dumps(body, indent=1), content_type="application/json")
    async with ScriptedGeminiServer([response]) as server, aclosing(GoogleModel(base_url=server.url)) as model:
        assert (await model.respond(REQUEST)).message.text == "Noon."


async def test_every_chunk_extends_the_timeout() -> None:
    timeouts = ResponseTimeouts(first_byte=0.5, idle=0.5)
    async with (
        ScriptedGeminiServer([ServerResponse(text="abcdefgh", chunk_chars=1, pause=0.1)]) as server,
        aclosing(GoogleModel(base_url=server.url, options=ModelOptions(timeouts=timeouts))) as model,
    ):
        assert (await model.respond(REQUEST)).message.text == "abcdefgh"
