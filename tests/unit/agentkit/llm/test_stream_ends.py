"""How every provider's streams end: without a reason, with an odd one, with what they sent before; and signed text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import ModelDelta
from agentkit.messages import Message, TextPart, user_message
from agentkit.testing import RawResponse, ServerResponse
from tests.unit.agentkit.llm.providers import PROVIDERS
from tests.unit.agentkit.llm.wires import CLOCK, WIRES, Event, chat_choice, event_stream, every_provider, respond

SENTENCE = ("It is noon in ", "all of Central Europe, and in Africa.")
TEXT = "".join(SENTENCE)
ARGUMENTS = {"zone": "Europe/Zurich"}


@every_provider
@pytest.mark.parametrize("reason", ["odd", "STOP", "eos", "", "null", 0, 7, True, ["stop"], {"type": "x"}, None])
async def test_an_odd_reason_ends_a_complete_response_like_any_other(name: str, reason: Any) -> None:
    wire = WIRES[name]
    events = event_stream([*wire.events, *wire.end(reason)])
    ended = events.model_copy(update={"body": f"{events.body}data: [DONE]\n\n"})
    for entry in (ended, RawResponse(body=json.dumps(wire.body(reason)))):
        response, _ = await respond(name, entry)
        assert (response.message.text, response.stop_reason) == ("Noon.", "end")


@every_provider
async def test_a_complete_response_needs_no_reason(name: str) -> None:
    wire = WIRES[name]
    body = RawResponse(body=json.dumps(wire.body(None)), content_type="application/json")
    events = event_stream(wire.events)
    ended = events.model_copy(update={"body": events.body + "data: [DONE]\n\n"})
    for entry in (body, ended):
        response, _ = await respond(name, entry)
        assert (response.message.text, response.stop_reason) == ("Noon.", "end")


async def test_the_last_event_of_anthropics_stream_needs_no_reason_before_it() -> None:
    events = [*WIRES["anthropic"].events, {"type": "message_stop"}]
    response, _ = await respond("anthropic", event_stream(events))
    assert response.message.text == "Noon."


@pytest.mark.parametrize("status", ["in_progress", "queued", None, "odd"])
async def test_the_final_event_of_responses_says_more_than_its_status(status: str | None) -> None:
    wire = WIRES["openai-responses"]
    (end,) = wire.end("completed")
    final = {**end, "response": {**end["response"], "status": status}}
    response, _ = await respond("openai-responses", event_stream([*wire.events, final]))
    assert (response.message.text, response.stop_reason) == ("Noon.", "end")


async def test_a_whole_response_that_is_still_in_progress_is_incomplete() -> None:
    body = json.dumps(WIRES["openai-responses"].body("in_progress"))
    with pytest.raises(ModelUnavailable, match="no finish reason came"):
        await respond("openai-responses", RawResponse(body=body, content_type="application/json"))


def _chat_delta(**delta: Any) -> Event:
    return chat_choice({"delta": delta}, None)


CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "clock", "arguments": json.dumps(ARGUMENTS)}}
CHAT: Sequence[Event] = [
    _chat_delta(content=SENTENCE[0]),
    _chat_delta(content=SENTENCE[1]),
    _chat_delta(tool_calls=[CALL]),
]
CHAT_MESSAGE = {"role": "assistant", "content": TEXT, "tool_calls": [CALL]}

BLOCKS = [
    {"type": "text", "text": TEXT},
    {"type": "tool_use", "id": "c1", "name": "clock", "input": ARGUMENTS},
]
BLOCK_STARTS: Sequence[Event] = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "c1", "name": "clock", "input": {}},
    },
]
TEXT_DELTAS: Sequence[Event] = [
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in SENTENCE
]
INPUT_DELTA = {
    "type": "content_block_delta",
    "index": 1,
    "delta": {"type": "input_json_delta", "partial_json": json.dumps(ARGUMENTS)},
}
ANTHROPIC: Sequence[Event] = [
    {"type": "message_start", "message": {"content": []}},
    BLOCK_STARTS[0],
    *TEXT_DELTAS,
    BLOCK_STARTS[1],
    INPUT_DELTA,
]
ANTHROPIC_MESSAGE = {"type": "message", "role": "assistant", "content": BLOCKS, "stop_reason": "tool_use"}
ANTHROPIC_END = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}

ITEMS: Sequence[dict[str, Any]] = [
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": TEXT}]},
    {"type": "function_call", "call_id": "c1", "name": "clock", "arguments": json.dumps(ARGUMENTS)},
]
ITEM_EVENTS: Sequence[Event] = [
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}},
    *({"type": "response.output_text.delta", "output_index": 0, "delta": text} for text in SENTENCE),
    *({"type": "response.output_item.done", "output_index": index, "item": item} for index, item in enumerate(ITEMS)),
]
COMPLETED = {"type": "response.completed", "response": {"status": "completed", "output": [*ITEMS]}}


def _gemini(*parts: Event, **fields: Any) -> Event:
    return {"candidates": [{"content": {"role": "model", "parts": [*parts]}, **fields}]}


GEMINI_CALL = {"functionCall": {"id": "c1", "name": "clock", "args": ARGUMENTS}}
GEMINI: Sequence[Event] = [_gemini({"text": SENTENCE[0]}), _gemini({"text": SENTENCE[1]}), _gemini(GEMINI_CALL)]

REPEATED: Mapping[str, tuple[str, Sequence[Event]]] = {
    "chat: the message with the last chunk": (
        "openai-chat",
        [*CHAT, chat_choice({"message": CHAT_MESSAGE, "delta": {}}, "tool_calls")],
    ),
    "chat: the message after the last chunk": (
        "openrouter",
        [*CHAT, chat_choice({"delta": {}}, "tool_calls"), chat_choice({"message": CHAT_MESSAGE}, "tool_calls")],
    ),
    "chat: the message so far with each chunk": (
        "openai-chat",
        [
            chat_choice({"message": {"content": SENTENCE[0]}, "delta": {"content": SENTENCE[0]}}, None),
            chat_choice({"message": {"content": TEXT}, "delta": {"content": SENTENCE[1]}}, None),
            chat_choice({"message": CHAT_MESSAGE, "delta": {"tool_calls": [CALL]}}, "tool_calls"),
        ],
    ),
    "chat: calls in the message only": (
        "openai-chat",
        [*CHAT[:2], chat_choice({"message": CHAT_MESSAGE, "delta": {}}, "tool_calls")],
    ),
    "chat: the text as the last delta": (
        "openai-chat",
        [*CHAT, chat_choice({"delta": {"content": TEXT}}, "tool_calls")],
    ),
    "responses: each item twice": ("openai-responses", [*ITEM_EVENTS, *ITEM_EVENTS[-2:], COMPLETED]),
    "responses: the end twice": ("openai-responses", [*ITEM_EVENTS, COMPLETED, COMPLETED]),
    "anthropic: the message at the end": ("anthropic", [*ANTHROPIC, ANTHROPIC_END, ANTHROPIC_MESSAGE]),
    "anthropic: the message with its end": (
        "anthropic",
        [*ANTHROPIC, ANTHROPIC_END, {"type": "message_stop", "message": ANTHROPIC_MESSAGE}],
    ),
    "anthropic: each block with its end": (
        "anthropic",
        [
            *ANTHROPIC,
            *(
                {"type": "content_block_stop", "index": index, "content_block": block}
                for index, block in enumerate(BLOCKS)
            ),
            ANTHROPIC_END,
        ],
    ),
    "anthropic: the start of a call twice": (
        "anthropic",
        [*ANTHROPIC[:-1], BLOCK_STARTS[1], INPUT_DELTA, ANTHROPIC_END],
    ),
    "anthropic: the text as the last delta": (
        "anthropic",
        [*ANTHROPIC, {**TEXT_DELTAS[0], "delta": {"type": "text_delta", "text": TEXT}}, ANTHROPIC_END],
    ),
    "google: all parts in the last chunk": (
        "google",
        [*GEMINI, _gemini({"text": TEXT}, GEMINI_CALL, finishReason="STOP")],
    ),
}


@pytest.mark.parametrize("case", REPEATED)
async def test_what_a_stream_repeats_is_received_once(case: str) -> None:
    name, events = REPEATED[case]
    deltas: list[ModelDelta] = []
    response, _ = await respond(name, event_stream(events), deltas=deltas, changes={"tools": (CLOCK,)})
    assert response.message.text == TEXT
    assert [(call.name, call.arguments) for call in response.message.tool_calls] == [("clock", ARGUMENTS)]
    assert response.stop_reason == "tool_calls"
    assert "".join(delta.text for delta in deltas if delta.kind == "text") == TEXT


@every_provider
async def test_a_model_may_repeat_itself(name: str) -> None:
    text = "Ho! " * 60
    response, _ = await respond(name, ServerResponse(text=text, chunk_chars=40))
    assert response.message.text == text


@pytest.mark.parametrize("streamed", [True, False])
async def test_the_signature_of_a_text_goes_back_with_it(streamed: bool) -> None:
    signed = {"text": "Noon.", "thoughtSignature": "c2ln"}
    events = [_gemini({"text": "Hm", "thought": True}), _gemini(signed), _gemini(finishReason="STOP")]
    whole = _gemini({"text": "Hm", "thought": True}, signed, finishReason="STOP")
    first = event_stream(events) if streamed else RawResponse(body=json.dumps(whole), content_type="application/json")
    assert await _sent_back("google", first) == {"role": "model", "parts": [signed]}


@pytest.mark.parametrize("streamed", [True, False])
async def test_the_signature_of_a_text_goes_back_over_chat_completions(streamed: bool) -> None:
    extra = {"google": {"thought_signature": "c2ln"}}
    message = {"role": "assistant", "content": "Noon.", "extra_content": extra}
    events = [
        chat_choice({"delta": {"content": "Noon."}}, None),
        chat_choice({"delta": {"extra_content": extra}}, "stop"),
    ]
    whole = chat_choice({"message": message}, "stop")
    first = event_stream(events) if streamed else RawResponse(body=json.dumps(whole), content_type="application/json")
    assert await _sent_back("openai-chat", first) == message


async def _sent_back(name: str, first: RawResponse) -> Event:
    """Return how the next request has the response to the first one."""
    response, _ = await respond(name, first)
    assert response.message.text == "Noon."
    sent = Message(role="assistant", parts=response.message.parts, model=PROVIDERS[name].model_name)
    assert any(part == TextPart(text="Noon.") for part in sent.parts)
    messages = (user_message("Hi"), sent, user_message("Well?"))
    _, (received,) = await respond(name, ServerResponse(text="ok"), changes={"messages": messages})
    return received.messages[1]
