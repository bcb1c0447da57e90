from __future__ import annotations

import asyncio
from contextlib import aclosing

import httpx2
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from openai.types.responses import ResponseInputItemParam

from agentkit.testing import (
    RawResponse,
    ScriptedOpenAIServer,
    ServerFailure,
    ServerResponse,
    ServerScriptEntry,
    ServerToolCall,
    script_by_step,
)

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]


async def test_the_official_sdk_gets_a_whole_answer() -> None:
    reply = ServerResponse(
        text="Noon.", calls=(ServerToolCall(name="clock", arguments={"zone": "UTC"}),), usage=(7, 3, 2)
    )
    async with ScriptedOpenAIServer([reply]) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        answer = await client.chat.completions.create(model="m", messages=ASKED)
    message = answer.choices[0].message
    assert message.content == "Noon."
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    assert message.tool_calls[0].model_dump()["function"] == {"name": "clock", "arguments": '{"zone": "UTC"}'}
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 3)


async def test_the_official_sdk_gets_a_stream_in_chunks() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="abcdefgh", chunk_chars=3)]) as server,
        AsyncOpenAI(api_key="k", base_url=server.url) as client,
    ):
        stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
        chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "abc", "def", "gh", None]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks), "usage comes only when asked for"


async def test_it_lists_a_model() -> None:
    async with ScriptedOpenAIServer([]) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        assert [model.id async for model in client.models.list()] == ["scripted"]


async def test_answers_come_in_order_and_a_request_too_many_fails_clearly() -> None:
    script: list[ServerScriptEntry] = [
        ServerFailure(status=429, message="Slow down", headers={"retry-after": "3"}),
        RawResponse(body="<p>", status=200),
    ]
    async with ScriptedOpenAIServer(script) as server, httpx2.AsyncClient(base_url=server.url) as client:
        answers = [await client.post("/chat/completions", json={"messages": []}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 200, 400]
    assert answers[0].headers["retry-after"] == "3"
    assert answers[0].json()["error"]["message"] == "Slow down"
    assert answers[1].text == "<p>"
    assert "no answer number 2" in answers[2].json()["error"]["message"]


async def test_by_step_answers_by_the_transcript_whatever_the_order() -> None:
    script = script_by_step([ServerResponse(text="first"), ServerResponse(text="second")])
    late = {"messages": [*ASKED, {"role": "assistant", "content": "first"}, {"role": "user", "content": "On."}]}
    async with ScriptedOpenAIServer(script) as server, httpx2.AsyncClient(base_url=server.url) as client:
        answers = [await client.post("/chat/completions", json=body) for body in (late, {"messages": ASKED}, late)]
    said = [answer.json()["choices"][0]["message"]["content"] for answer in answers]
    assert said == ["second", "first", "second"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", "/chat/completions", b"{", 400, id="no JSON"),
        pytest.param("POST", "/chat/completions", b'{"model": "m"}', 400, id="no messages"),
        pytest.param("GET", "/embeddings", b"", 404, id="another path"),
    ],
)
async def test_what_is_no_request_for_a_completion_uses_up_no_answer(
    method: str, path: str, body: bytes, status: int
) -> None:
    async with ScriptedOpenAIServer([ServerResponse()]) as server, httpx2.AsyncClient(base_url=server.url) as client:
        answer = await client.request(method, path, content=body)
    assert answer.status_code == status
    assert server.request_count == 0


async def test_requests_are_kept_and_one_connection_serves_many() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse(text="a"), ServerResponse(text="b")]) as server,
        httpx2.AsyncClient(base_url=server.url, headers={"X-Mark": "here"}) as client,
    ):
        for number in range(2):
            await client.post("/chat/completions", json={"messages": ASKED, "stream": True, "n": number})
        assert server.connection_count == 1
    assert [request.body["n"] for request in server.requests] == [0, 1]
    assert server.requests[0].headers["x-mark"] == "here"
    assert server.disconnect_count == 0


async def test_a_client_that_goes_away_during_a_stall_is_noticed() -> None:
    async with ScriptedOpenAIServer([ServerResponse(fault="stall")]) as server, asyncio.timeout(10):
        async with (
            httpx2.AsyncClient(base_url=server.url) as client,
            client.stream("POST", "/chat/completions", json={"messages": ASKED, "stream": True}),
        ):
            await server.wait_for_requests()
            assert server.disconnect_count == 0
        await server.wait_for_disconnects()


async def test_stopping_breaks_off_clients_that_still_wait() -> None:
    async with httpx2.AsyncClient() as client, asyncio.timeout(10):
        async with ScriptedOpenAIServer([ServerResponse(delay=600)]) as server:
            asking = asyncio.create_task(client.post(f"{server.url}/chat/completions", json={"messages": ASKED}))
            await server.wait_for_requests()
        with pytest.raises(httpx2.TransportError):
            await asking


async def test_where_requests_are_not_kept_they_are_counted() -> None:
    async with (
        ScriptedOpenAIServer([ServerResponse()], keep_requests=False) as server,
        httpx2.AsyncClient(base_url=server.url) as client,
    ):
        await client.post("/chat/completions", json={"messages": ASKED})
    assert server.requests == []
    assert server.request_count == 1


def test_the_address_of_a_server_that_is_not_started_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = ScriptedOpenAIServer([]).url


async def test_a_pause_lies_between_chunks() -> None:
    loop = asyncio.get_running_loop()
    async with (
        ScriptedOpenAIServer([ServerResponse(text="abcd", chunk_chars=1, pause=0.02)]) as server,
        aclosing(httpx2.AsyncClient(base_url=server.url)) as client,
    ):
        started = loop.time()
        await client.post("/chat/completions", json={"messages": ASKED, "stream": True})
        assert loop.time() - started >= 0.1


async def test_the_official_sdk_gets_a_response_streamed_or_whole() -> None:
    reply = ServerResponse(
        thinking="Hmm.", text="Noon.", calls=(ServerToolCall(name="clock"),), usage=(7, 3, 2), chunk_chars=2
    )
    async with ScriptedOpenAIServer([reply, reply]) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        whole = await client.responses.create(model="m", input=[{"role": "user", "content": "Hi"}])
        stream = await client.responses.create(model="m", input=[{"role": "user", "content": "Hi"}], stream=True)
        events = [event async for event in stream]
    assert [item.type for item in whole.output] == ["reasoning", "message", "function_call"]
    assert whole.output_text == "Noon."
    assert whole.usage is not None
    assert whole.usage.input_tokens_details.cached_tokens == 2
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Noon."
    assert events[-1].type == "response.completed"
    assert [item.type for item in events[-1].response.output] == [item.type for item in whole.output]


async def test_several_items_of_one_response_are_one_step() -> None:
    said: list[ResponseInputItemParam] = [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "r", "summary": []},
        {"type": "function_call", "call_id": "a", "name": "clock", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "clock", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "noon"},
        {"type": "function_call_output", "call_id": "b", "output": "noon"},
    ]
    script = script_by_step([ServerResponse(text="zero"), ServerResponse(text="one"), ServerResponse(text="two")])
    async with ScriptedOpenAIServer(script) as server, AsyncOpenAI(api_key="k", base_url=server.url) as client:
        assert (await client.responses.create(model="m", input=said)).output_text == "one"
        said += [{"role": "assistant", "content": "Noon."}, {"role": "user", "content": "And now?"}]
        assert (await client.responses.create(model="m", input=said)).output_text == "two"
