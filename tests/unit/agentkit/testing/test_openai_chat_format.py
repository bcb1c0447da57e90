from __future__ import annotations

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from agentkit.testing import ScriptedOpenAIServer, ServerResponse, ServerToolCall

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]


def _client(server: ScriptedOpenAIServer) -> AsyncOpenAI:
    return AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0)


async def test_the_official_sdk_reads_a_response_that_is_not_streamed() -> None:
    call = ServerToolCall(name="clock", arguments={"zone": "UTC"})
    response = ServerResponse(text="Noon.", calls=(call,), usage=(7, 3, 2))
    async with ScriptedOpenAIServer([response]) as server, _client(server) as client:
        completion = await client.chat.completions.create(model="m", messages=MESSAGES)
    message = completion.choices[0].message
    assert message.content == "Noon."
    assert completion.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    assert message.tool_calls[0].model_dump()["function"] == {"name": "clock", "arguments": '{"zone": "UTC"}'}
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (7, 3)


async def test_the_official_sdk_reads_a_stream_in_chunks() -> None:
    script = [ServerResponse(text="abcdefgh", chunk_chars=3)]
    async with ScriptedOpenAIServer(script) as server, _client(server) as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "abc", "def", "gh", None]
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_a_stream_reports_usage_only_if_the_request_asks_for_it() -> None:
    response = ServerResponse(text="Noon.", usage=(7, 3, 2))
    async with ScriptedOpenAIServer([response, response]) as server, _client(server) as client:
        without = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert [chunk.usage async for chunk in without if chunk.usage] == []
        options = {"include_usage": True}
        stream = await client.chat.completions.create(
            model="m", messages=MESSAGES, stream=True, extra_body={"stream_options": options}
        )
        (usage,) = [chunk.usage async for chunk in stream if chunk.usage]
    assert usage.prompt_tokens == 7
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 2


async def test_a_streamed_tool_call_has_its_name_once_and_its_arguments_in_chunks() -> None:
    call = ServerToolCall(name="clock", arguments='{"a": 1}', id="c")
    async with (
        ScriptedOpenAIServer([ServerResponse(calls=(call,), chunk_chars=4)]) as server,
        _client(server) as client,
    ):
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        deltas = [delta async for chunk in stream for delta in chunk.choices[0].delta.tool_calls or ()]
    assert [(delta.id, delta.function and delta.function.name) for delta in deltas] == [
        ("c", "clock"),
        (None, None),
        (None, None),
    ]
    assert "".join((delta.function and delta.function.arguments) or "" for delta in deltas) == '{"a": 1}'
