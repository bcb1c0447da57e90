from __future__ import annotations

import httpx2
import pytest
from anthropic import AsyncAnthropic, InternalServerError
from anthropic.types import MessageParam, TextBlock, ThinkingBlock, ToolUseBlock

from agentkit.testing import ScriptedAnthropicServer, ServerFailure, ServerResponse, ServerToolCall, script_by_step

MESSAGES: list[MessageParam] = [{"role": "user", "content": "Hi"}]
RESPONSE = ServerResponse(
    thinking="Hmm.", text="abcdefgh", calls=(ServerToolCall(name="clock", arguments={"zone": "UTC"}),), usage=(7, 3, 2)
)


def _client(server: ScriptedAnthropicServer) -> AsyncAnthropic:
    return AsyncAnthropic(api_key="k", base_url=server.url, max_retries=0)


async def test_the_official_sdk_reads_the_same_message_streamed_or_not() -> None:
    async with ScriptedAnthropicServer([RESPONSE, RESPONSE]) as server, _client(server) as client:
        async with client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream:
            streamed = await stream.get_final_message()
        plain = await client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    thinking, text, call = streamed.content
    assert isinstance(thinking, ThinkingBlock)
    assert (thinking.thinking, thinking.signature) == ("Hmm.", "signature-0")
    assert isinstance(text, TextBlock)
    assert text.text == "abcdefgh"
    assert isinstance(call, ToolUseBlock)
    assert (call.name, call.input) == ("clock", {"zone": "UTC"})
    assert streamed.stop_reason == plain.stop_reason == "tool_use"
    assert [block.type for block in plain.content] == [block.type for block in streamed.content]
    for usage in (streamed.usage, plain.usage):
        assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (5, 2, 3)


async def test_events_have_the_order_and_the_names_of_the_real_api() -> None:
    async with (
        ScriptedAnthropicServer([ServerResponse(text="abcd", chunk_chars=2)]) as server,
        httpx2.AsyncClient() as client,
    ):
        body = {"max_tokens": 1, "messages": MESSAGES, "stream": True}
        response = await client.post(f"{server.url}/v1/messages", json=body)
    names = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event: ")]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert names == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


async def test_failures_have_the_format_of_the_real_api() -> None:
    async with (
        ScriptedAnthropicServer([ServerFailure(status=529, message="Overloaded")]) as server,
        _client(server) as client,
    ):
        with pytest.raises(InternalServerError) as caught:
            await client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    assert (caught.value.status_code, caught.value.type, caught.value.api_message) == (
        529,
        "overloaded_error",
        "Overloaded",
    )


async def test_it_lists_a_model() -> None:
    async with ScriptedAnthropicServer([]) as server, _client(server) as client:
        assert [model.id async for model in client.models.list()] == ["scripted"]


async def test_a_script_by_step_follows_the_transcript() -> None:
    script = script_by_step([ServerResponse(text="first"), ServerResponse(text="second")])
    later: list[MessageParam] = [
        *MESSAGES,
        {"role": "assistant", "content": "first"},
        {"role": "user", "content": [{"type": "text", "text": "Go on."}]},
    ]
    async with ScriptedAnthropicServer(script) as server, _client(server) as client:
        responses = [
            await client.messages.create(model="m", max_tokens=9, messages=messages) for messages in (later, MESSAGES)
        ]
        assert [request.last_text for request in server.requests] == ["Go on.", "Hi"]
    assert [block.text for response in responses for block in response.content if isinstance(block, TextBlock)] == [
        "second",
        "first",
    ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/v1/messages", {"messages": []}, 400, id="no max_tokens"),
        pytest.param("/v1/messages", {"max_tokens": 1}, 400, id="no messages"),
        pytest.param("/v1/complete", {}, 404, id="another path"),
    ],
)
async def test_an_invalid_request_is_rejected_and_does_not_use_up_the_script(
    path: str, body: dict[str, object], status: int
) -> None:
    async with ScriptedAnthropicServer([ServerResponse()]) as server, httpx2.AsyncClient(base_url=server.url) as client:
        response = await client.post(path, json=body)
    assert response.status_code == status
    assert response.json()["type"] == "error"
    assert server.request_count == 0
