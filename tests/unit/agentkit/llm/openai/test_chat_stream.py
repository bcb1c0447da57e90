from __future__ import annotations

from contextlib import aclosing

import pytest
from pydantic import JsonValue

from agentkit.errors import ContentRefused
from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse
from agentkit.llm.openai.chat_stream import ChatResponseBuilder
from agentkit.llm.openai.model import OpenAIModel
from agentkit.messages import TextPart, ThinkingPart, ToolCall, Usage, user_message
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerResponse, ServerScriptEntry, ServerToolCall

REQUEST = ModelRequest(model="openai:gpt-5-mini", system="", messages=(user_message("Hi"),))


async def _respond(
    entry: ServerScriptEntry, request: ModelRequest = REQUEST, emit: Emit | None = None
) -> ModelResponse:
    async with (
        ScriptedOpenAIServer([entry]) as server,
        aclosing(OpenAIModel(base_url=server.url, api="chat")) as model,
    ):
        return await model.respond(request, emit)


async def test_usage_is_what_the_provider_counted() -> None:
    response = await _respond(ServerResponse(text="ok", usage=(100, 20, 64)))
    assert response.usage == Usage(input_tokens=100, output_tokens=20, cached_tokens=64, model_calls=1)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(ServerResponse(text="ok"), "end", id="stop"),
        pytest.param(ServerResponse(text="ok", finish_reason="eos"), "end", id="unknown reason"),
        pytest.param(ServerResponse(calls=(ServerToolCall(name="clock"),)), "tool_calls", id="tool_calls"),
        pytest.param(
            ServerResponse(calls=(ServerToolCall(name="clock"),), finish_reason="stop"),
            "tool_calls",
            id="stop with calls",
        ),
        pytest.param(ServerResponse(text="so far", finish_reason="length"), "length", id="length"),
        pytest.param(ServerResponse(text="so far", finish_reason="max_tokens"), "length", id="max_tokens"),
        pytest.param(ServerResponse(text="so far", finish_reason="content_filter"), "refusal", id="content_filter"),
        pytest.param(ServerResponse(refusal="I won't."), "refusal", id="refusal"),
    ],
)
async def test_a_finish_reason_becomes_a_stop_reason(entry: ServerResponse, expected: str) -> None:
    assert (await _respond(entry)).stop_reason == expected


async def test_a_filter_that_leaves_nothing_refuses_the_content() -> None:
    with pytest.raises(ContentRefused, match="content filter"):
        await _respond(ServerResponse(finish_reason="content_filter"))


async def test_missing_call_ids_stay_empty() -> None:
    calls = (ServerToolCall(name="a", id=""), ServerToolCall(name="b", id=""))
    response = await _respond(ServerResponse(calls=calls))
    assert [(call.id, call.name) for call in response.message.tool_calls] == [("", "a"), ("", "b")]


def _event(delta: str, finish: str = "null") -> str:
    return f'data: {{"choices": [{{"index": 0, "delta": {delta}, "finish_reason": {finish}}}]}}\n\n'


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param(
            (
                '{"tool_calls": [{"index": 0, "id": "1", "function": {"name": "a", "arguments": "{}"}}]}',
                '{"tool_calls": [{"index": 0, "id": "2", "function": {"name": "b", "arguments": "{}"}}]}',
            ),
            id="the same index for all, with different ids",
        ),
        pytest.param(
            (
                '{"tool_calls": [{"id": "1", "function": {"name": "a", "arguments": "{"}}]}',
                '{"tool_calls": [{"function": {"arguments": "}"}}]}',
                '{"tool_calls": [{"id": "2", "function": {"name": "b", "arguments": "{}"}}]}',
            ),
            id="no index",
        ),
        pytest.param(
            ('{"tool_calls": [{"index": 0, "id": "1", "function": {"name": "a", "arguments": {}}},'
             ' {"index": 1, "id": "2", "function": {"name": "b", "arguments": {}}}]}',),
            id="arguments as an object",
        ),
    ],
)  # fmt: skip
async def test_tool_calls_are_separated_in_every_known_form(deltas: tuple[str, ...]) -> None:
    body = "".join(_event(delta) for delta in deltas) + _event("{}", '"tool_calls"') + "data: [DONE]\n\n"
    response = await _respond(RawResponse(body=body, content_type="text/event-stream"))
    calls = [(call.id, call.name, call.malformed) for call in response.message.tool_calls]
    assert calls == [("1", "a", None), ("2", "b", None)]


async def test_a_complete_response_without_a_stream_is_read() -> None:
    body = """{"choices": [{"message": {"role": "assistant", "content": "Noon."}, "finish_reason": "stop"}],
               "usage": {"prompt_tokens": 3, "completion_tokens": 2,
                         "completion_tokens_details": {"reasoning_tokens": 1}}}"""
    deltas: list[ModelDelta] = []
    response = await _respond(RawResponse(body=body, content_type="application/json"), emit=deltas.append)
    assert response.message.text == "Noon."
    assert response.usage == Usage(input_tokens=3, output_tokens=2, reasoning_tokens=1, model_calls=1)
    assert deltas == [ModelDelta("text", "Noon.")]


def _build(*chunks: dict[str, JsonValue]) -> ModelResponse:
    builder = ChatResponseBuilder(REQUEST, None)
    for chunk in chunks:
        builder.add(chunk)
    return builder.build()


def _choice(finish_reason: str | None = None, **delta: JsonValue) -> dict[str, JsonValue]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def test_later_chunks_do_not_remove_what_earlier_ones_reported() -> None:
    usage: JsonValue = {"prompt_tokens": 3, "completion_tokens": 2}
    response = _build(
        {"choices": [_choice("length", content="Noon.")], "provider": "Azure"},
        {"choices": [_choice()], "usage": usage},
        {"choices": []},
    )
    assert response.stop_reason == "length"
    assert response.usage == Usage(input_tokens=3, output_tokens=2, model_calls=1)
    assert response.served_by == "Azure"


def test_only_the_first_of_several_choices_is_read() -> None:
    response = _build({"choices": [_choice("stop", content="Noon."), _choice("stop", content="Midnight.")]})
    assert response.message.parts == (TextPart(text="Noon."),)


def test_a_call_whose_id_comes_late_and_whose_arguments_are_an_object_is_complete() -> None:
    name: JsonValue = [{"index": 0, "function": {"name": "clock"}}]
    arguments: JsonValue = [{"index": 0, "id": "1", "function": {"arguments": {"zone": "UTC"}}}]
    response = _build(
        {"choices": [_choice(tool_calls=name)]}, {"choices": [_choice("tool_calls", tool_calls=arguments)]}
    )
    assert response.message.tool_calls == (ToolCall(id="1", name="clock", arguments={"zone": "UTC"}),)


def test_a_null_in_a_later_reasoning_detail_does_not_remove_a_value() -> None:
    def detail(**fields: JsonValue) -> JsonValue:
        return [{"type": "reasoning.text", "index": 0, **fields}]

    response = _build(
        {"choices": [_choice(reasoning_details=detail(text="Hmm.", signature="sig"))]},
        {"choices": [_choice("stop", reasoning_details=detail(text=None, signature=None))]},
    )
    data: JsonValue = [{"type": "reasoning.text", "index": 0, "text": "Hmm.", "signature": "sig"}]
    assert response.message.parts == (ThinkingPart(text="", provider="openai", data=data),)
