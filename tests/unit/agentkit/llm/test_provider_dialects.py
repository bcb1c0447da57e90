"""Every provider's API as other servers imitate it: the same faults in the form of each."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import ModelDelta, ModelRequest
from agentkit.llm.shared.streaming_model import ModelOptions
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolCall, user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import RawResponse, ServerFailure, ServerResponse
from tests.unit.agentkit.llm.providers import PROVIDERS, Provider
from tests.unit.agentkit.llm.wires import CLOCK, WIRES, Event, chat_choice, event_stream, every_provider, respond

OBJECT: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}


@every_provider
@pytest.mark.parametrize(
    "form",
    [
        pytest.param("data: {}\n\n", id="usual"),
        pytest.param("data:{}\n\n", id="no space"),
        pytest.param("data: {}\r\n\r\n", id="CR LF"),
        pytest.param("data: {}\n", id="no empty line"),
        pytest.param(": comment\n\nevent: message\nid: 7\nretry: 5\ndata: {}\n\n", id="comments and other fields"),
        pytest.param("event: ping\n\nevent:message\ndata:{}\n\n", id="events without data"),
    ],
)
async def test_events_are_read_in_every_dialect(name: str, form: str) -> None:
    wire = WIRES[name]
    deltas: list[ModelDelta] = []
    response, _ = await respond(name, event_stream([*wire.events, *wire.end(wire.reason)], form), deltas=deltas)
    assert response.message.parts == (TextPart(text="Noon."),)
    assert response.stop_reason == "end"
    assert "".join(delta.text for delta in deltas) == "Noon."


@every_provider
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/event-stream", "text/plain", "application/x-ndjson"]
)
@pytest.mark.parametrize("indent", [None, 2])
async def test_a_whole_body_is_read_whatever_its_type(name: str, content_type: str, indent: int | None) -> None:
    wire = WIRES[name]
    body = json.dumps(wire.body(wire.reason), indent=indent)
    response, _ = await respond(name, RawResponse(body=body, content_type=content_type))
    assert response.message.text == "Noon."


@every_provider
@pytest.mark.parametrize("end", ["", "data: [DONE]\n\n"], ids=["cut off", "nothing but an end"])
async def test_a_stream_that_is_cut_off_is_no_response(name: str, end: str) -> None:
    stream = event_stream([] if end else WIRES[name].events)
    with pytest.raises(ModelUnavailable, match="no finish reason came"):
        await respond(name, stream.model_copy(update={"body": stream.body + end}))


HALF = '{"zone": "Eu'
CUT_OFF: dict[str, Sequence[Event]] = {
    "openai-chat": [
        chat_choice(
            {"delta": {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "clock", "arguments": HALF}}]}}, None
        ),
        chat_choice({"delta": {}}, "length"),
    ],
    "openai-responses": [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "function_call", "id": "f", "call_id": "1", "name": "clock", "arguments": ""},
        },
        {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "f", "delta": HALF},
        {
            "type": "response.incomplete",
            "response": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []},
        },
    ],
    "anthropic": [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "1", "name": "clock"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": HALF}},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}},
    ],
    "google": [
        {
            "candidates": [
                {
                    "content": {"parts": [{"functionCall": {"id": "1", "name": "clock", "args": HALF}}]},
                    "finishReason": "MAX_TOKENS",
                }
            ]
        }
    ],
}
CUT_OFF["openrouter"] = CUT_OFF["openai-chat"]


@every_provider
async def test_a_response_that_is_cut_off_in_a_call_stops_at_its_length(name: str) -> None:
    response, _ = await respond(name, event_stream(CUT_OFF[name]))
    assert response.stop_reason == "length"
    assert [(call.name, call.malformed) for call in response.message.tool_calls] == [("clock", HALF)]


@every_provider
async def test_a_response_that_is_cut_off_after_a_call_stops_at_its_length(name: str) -> None:
    provider = PROVIDERS[name]
    entry = (
        event_stream(
            [
                {
                    "candidates": [
                        {"content": {"parts": [{"functionCall": {"name": "clock"}}]}, "finishReason": "MAX_TOKENS"}
                    ]
                }
            ]
        )
        if provider.name == "google"
        else ServerResponse(calls=({"name": "clock"},), finish_reason="length")  # type: ignore[arg-type]  # parsed
    )
    response, _ = await respond(name, entry)
    assert (response.stop_reason, len(response.message.tool_calls)) == ("length", 1)


@every_provider
@pytest.mark.parametrize(
    ("text", "thinking", "rest"),
    [("<think>\nHm\n</think>\n\nNoon.", "\nHm\n", "Noon."), ("<think>Hm", "Hm", ""), ("Noon.", None, "Noon.")],
    ids=["closed", "unclosed", "none"],
)
@pytest.mark.parametrize("size", [3, 1_000])
async def test_thinking_in_tags_is_no_text(name: str, text: str, thinking: str | None, rest: str, size: int) -> None:
    deltas: list[ModelDelta] = []
    response, _ = await respond(name, ServerResponse(text=text, chunk_chars=size), deltas=deltas)
    thoughts = [part.text for part in response.message.parts if isinstance(part, ThinkingPart)]
    assert (thoughts, response.message.text) == ([] if thinking is None else [thinking], rest)
    assert "".join(delta.text for delta in deltas if delta.kind == "text") == rest
    assert "".join(delta.text for delta in deltas if delta.kind == "thinking") == (thinking or "")


def _unsent(provider: Provider) -> list[tuple[ContentPart, ...]]:
    own = ThinkingPart(text="Hm", provider=provider.name, signature="c2ln")
    return [(), (TextPart(text=""),), (TextPart(text=" \n"),), (own,), (own, TextPart(text="\n"))]


@every_provider
@pytest.mark.parametrize("index", range(5), ids=["nothing", "empty", "blank", "thinking", "thinking and blank text"])
async def test_a_response_of_nothing_is_not_sent_back(name: str, index: int) -> None:
    provider = PROVIDERS[name]
    response = Message(role="assistant", parts=_unsent(provider)[index], model=provider.model_name)
    messages = (user_message("Hi"), response, user_message("Well?"))
    _, (received,) = await respond(name, ServerResponse(text="ok"), changes={"messages": messages})
    assert {message["role"] for message in received.messages} == {"user"}


async def test_thinking_at_the_end_of_a_response_is_not_sent_to_anthropic() -> None:
    provider = PROVIDERS["anthropic"]
    thought = ThinkingPart(text="Hm", provider="anthropic", signature="sig")
    response = Message(role="assistant", parts=(thought, TextPart(text="Hi"), thought), model=provider.model_name)
    messages = (user_message("Hi"), response, user_message("Well?"))
    _, (received,) = await respond("anthropic", ServerResponse(text="ok"), changes={"messages": messages})
    assert [block["type"] for block in received.messages[1]["content"]] == ["thinking", "text"]


@dataclass(frozen=True)
class Optional:
    """A field that requests to one provider can do without, and how its servers refuse it."""

    provider: str
    field: str
    error: str
    changes: Mapping[str, Any]


def _with_schema(**changes: Any) -> dict[str, Any]:
    return {"output_schema": OBJECT, **changes}


OPTIONAL_FIELDS = [
    Optional("openai-chat", "stream_options", "Unrecognized request argument supplied: stream_options", {}),
    Optional("openai-chat", "response_format", "'response_format' is not supported", _with_schema()),
    Optional("openrouter", "stream_options", "stream_options: Extra inputs are not permitted", {}),
    Optional("openai-responses", "include", "Unknown parameter: 'include'.", {}),
    Optional("openai-responses", "store", "Unsupported parameter: 'store'", {}),
    Optional("openai-responses", "text", "Unknown parameter: 'text.format'.", _with_schema()),
    Optional(
        "anthropic",
        "cache_control",
        "system.0.cache_control: Extra inputs are not permitted",
        {"system": "Be brief.", "tools": (CLOCK,)},
    ),
    Optional("anthropic", "output_config", "output_config: Extra inputs are not permitted", _with_schema()),
    Optional(
        "google",
        "responseJsonSchema",
        "Unknown name \"responseJsonSchema\" at 'generation_config': Cannot find field.",
        _with_schema(),
    ),
    Optional("google", "responseJsonSchema", 'Unknown name "response_json_schema": Cannot find field.', _with_schema()),
]
every_optional_field = pytest.mark.parametrize(
    "optional",
    OPTIONAL_FIELDS,
    ids=[f"{optional.provider} {optional.field} {index}" for index, optional in enumerate(OPTIONAL_FIELDS)],
)


@every_optional_field
@pytest.mark.parametrize("status", [400, 422])
async def test_a_field_that_a_server_refuses_is_left_out_of_this_and_all_later_requests(
    optional: Optional, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = ServerFailure(status=status, message=optional.error)
    ok = ServerResponse(text='{"a": 1}')
    with caplog.at_level(logging.WARNING, "agentkit.llm"):
        _, received = await respond(optional.provider, refusal, ok, ok, changes=optional.changes)
    sent = [f'"{optional.field}"' in json.dumps(request.body) for request in received]
    assert sent == [True, False, False]
    assert [record.getMessage() for record in caplog.records] == [
        f"{PROVIDERS[optional.provider].model_name} refuses {optional.field}: left out from now on"
    ]


@every_optional_field
async def test_a_field_can_be_left_out_by_the_agent_or_for_the_provider(optional: Optional) -> None:
    provider = PROVIDERS[optional.provider]
    request = replace(provider.request, **optional.changes)
    by_agent = replace(request, settings=ModelSettings(omit=(optional.field,)))
    ok = ServerResponse(text='{"a": 1}')
    async with provider.server([ok, ok]) as server:
        async with aclosing(provider.model(base_url=server.url)) as model:
            await model.respond(by_agent)
        async with aclosing(provider.model(base_url=server.url, options=ModelOptions(omit=[optional.field]))) as model:
            await model.respond(request)
        assert [f'"{optional.field}"' in json.dumps(one.body) for one in server.requests] == [False, False]


@pytest.mark.parametrize(
    "optional",
    [field for field in OPTIONAL_FIELDS if field.changes.get("output_schema")],
    ids=lambda optional: f"{optional.provider} {optional.error}",
)
@pytest.mark.parametrize("tools", [(), (CLOCK,)], ids=["no tools", "tools"])
async def test_without_its_field_a_schema_is_still_sent(optional: Optional, tools: tuple[ToolSpec, ...]) -> None:
    changes = {**optional.changes, "tools": tools, "settings": ModelSettings(omit=(optional.field,))}
    _, (received,) = await respond(optional.provider, ServerResponse(text='{"a": 1}'), changes=changes)
    text = json.dumps(received.body)
    assert ("give_final_output" in text) != ("fits this schema" in text)


@every_provider
async def test_a_request_is_not_sent_again_for_another_reason(name: str) -> None:
    provider = PROVIDERS[name]
    async with provider.server([ServerFailure(status=400, message="Nothing of this is right")]) as server:
        async with aclosing(provider.model(base_url=server.url)) as model:
            with pytest.raises(Exception, match="Nothing of this"):
                await model.respond(provider.request)
        assert server.request_count == 1


def _zeros(name: str) -> list[Event]:
    """Return events with counts, then with zeros in their place."""
    counts: dict[str, tuple[Event, Event]] = {
        "openai": (
            {"usage": {"prompt_tokens": 100, "completion_tokens": 1}},
            {"usage": {"prompt_tokens": 0, "completion_tokens": 20}},
        ),
        "anthropic": (
            {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 100, "output_tokens": 1}}},
            {"type": "message_delta", "delta": {}, "usage": {"input_tokens": 0, "output_tokens": 20}},
        ),
        "google": (
            {"usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 1}},
            {"usageMetadata": {"promptTokenCount": 0, "candidatesTokenCount": 20}},
        ),
    }
    wire = WIRES[name]
    first, last = counts["openai" if name.startswith("open") else name]
    if name == "openai-responses":
        first, last = {"type": "x", **first}, {"type": "x", **last}
    return [first, *wire.events, *wire.end(wire.reason), last]


@every_provider
async def test_counts_are_not_replaced_by_zeros(name: str) -> None:
    response, _ = await respond(name, event_stream(_zeros(name)))
    assert (response.usage.input_tokens, response.usage.output_tokens) == (100, 20)


@every_provider
async def test_a_tool_with_alternatives_at_its_root_is_sent_as_an_object(name: str) -> None:
    parameters: dict[str, JsonValue] = {"anyOf": [{"type": "object", "properties": {"zone": {"type": "string"}}}]}
    tool = CLOCK.model_copy(update={"parameters": parameters})
    _, (received,) = await respond(name, ServerResponse(text="ok"), changes={"tools": (tool,)})
    text = json.dumps(received.body["tools"])
    assert "anyOf" not in text
    assert '"zone"' in text


@every_provider
async def test_the_id_of_a_call_and_its_result_are_the_same(name: str) -> None:
    call = ToolCall(id="a.b:c/d==", name="clock")
    messages: Sequence[Message] = (
        user_message("Hi"),
        Message(role="assistant", parts=(call,), model="demo:demo"),
        Message.model_validate(
            {"role": "tool", "parts": [{"type": "tool_result", "call_id": call.id, "name": "clock", "content": "noon"}]}
        ),
    )
    _, (received,) = await respond(name, ServerResponse(text="ok"), changes={"messages": messages})
    sent, result = json.dumps(received.messages[1]), json.dumps(received.messages[2])
    ids = {value for value in _strings(json.loads(sent)) if value in _strings(json.loads(result))}
    assert ids - {"clock"}


def _strings(value: JsonValue) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _strings(inner)]
    return [value] if isinstance(value, str) and len(value) > 6 else []


def test_every_provider_has_a_format() -> None:
    assert WIRES.keys() == CUT_OFF.keys() == PROVIDERS.keys()
    assert isinstance(PROVIDERS["google"].request, ModelRequest)
