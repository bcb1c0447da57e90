from __future__ import annotations

from openai import AsyncOpenAI
from openai.types.responses import ResponseInputItemParam

from agentkit.testing import ScriptedOpenAIServer, ServerResponse, ServerToolCall, script_by_step

INPUT: list[ResponseInputItemParam] = [{"role": "user", "content": "Hi"}]


def _client(server: ScriptedOpenAIServer) -> AsyncOpenAI:
    return AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0)


async def test_the_official_sdk_reads_the_same_items_streamed_or_not() -> None:
    response = ServerResponse(
        thinking="Hmm.", text="Noon.", calls=(ServerToolCall(name="clock"),), usage=(7, 3, 2), chunk_chars=2
    )
    async with ScriptedOpenAIServer([response, response]) as server, _client(server) as client:
        body = await client.responses.create(model="m", input=INPUT)
        stream = await client.responses.create(model="m", input=INPUT, stream=True)
        events = [event async for event in stream]
    assert [item.type for item in body.output] == ["reasoning", "message", "function_call"]
    assert body.output_text == "Noon."
    assert body.usage is not None
    assert body.usage.input_tokens_details.cached_tokens == 2
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Noon."
    assert events[-1].type == "response.completed"
    assert [item.type for item in events[-1].response.output] == [item.type for item in body.output]


async def test_a_length_limit_makes_the_response_incomplete() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="Noo", finish_reason="length")]) as server,
        _client(server) as client,
    ):
        body = await client.responses.create(model="m", input=INPUT)
    assert body.status == "incomplete"
    assert body.incomplete_details is not None
    assert body.incomplete_details.reason == "max_output_tokens"


async def test_encrypted_reasoning_is_sent_only_if_the_request_asks_for_it() -> None:
    response = ServerResponse(thinking="Hmm.")
    async with ScriptedOpenAIServer([response, response]) as server, _client(server) as client:
        bodies = [
            await client.responses.create(model="m", input=INPUT),
            await client.responses.create(model="m", input=INPUT, include=["reasoning.encrypted_content"]),
        ]
    assert [body.output[0].model_dump().get("encrypted_content") for body in bodies] == [None, "encrypted-1"]


async def test_several_items_of_one_response_are_one_step() -> None:
    transcript: list[ResponseInputItemParam] = [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "r", "summary": []},
        {"type": "function_call", "call_id": "a", "name": "clock", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "clock", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "noon"},
        {"type": "function_call_output", "call_id": "b", "output": "noon"},
    ]
    script = script_by_step([ServerResponse(text=text) for text in ("zero", "one", "two")])
    async with ScriptedOpenAIServer(script) as server, _client(server) as client:
        assert (await client.responses.create(model="m", input=transcript)).output_text == "one"
        transcript += [{"role": "assistant", "content": "Noon."}, {"role": "user", "content": "And now?"}]
        assert (await client.responses.create(model="m", input=transcript)).output_text == "two"
