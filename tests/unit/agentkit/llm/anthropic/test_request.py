from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import ModelRequestRejected
from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.model import AnthropicModel
from agentkit.llm.anthropic.request import anthropic_body, anthropic_call_id
from agentkit.messages import FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import ScriptedAnthropicServer, ServerResponse

MODEL = "anthropic:claude-sonnet-4-6"
CLOCK = ToolSpec(name="clock", description="Returns the time.", parameters={"type": "object", "properties": {}})


def _request(*messages: Message, system: str = "Be brief.", tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    return ModelRequest(model=MODEL, system=system, messages=messages or (user_message("Hi"),), tools=tools)


def _messages(*messages: Message) -> list[Any]:
    """Return the messages of the body, without cache breakpoints."""
    sent = _without_breakpoints(anthropic_body(_request(*messages))["messages"])
    assert isinstance(sent, list)
    return sent


def _without_breakpoints(sent: object) -> object:
    if isinstance(sent, list):
        return [_without_breakpoints(item) for item in sent]
    if isinstance(sent, dict):
        return {key: _without_breakpoints(value) for key, value in sent.items() if key != "cache_control"}
    return sent


def _breakpoint_count(sent: object) -> int:
    if isinstance(sent, list):
        return sum(map(_breakpoint_count, sent))
    if isinstance(sent, dict):
        return ("cache_control" in sent) + sum(map(_breakpoint_count, sent.values()))
    return 0


async def test_a_rich_transcript_is_sent_as_the_golden_request(
    rich_request: Callable[[str], ModelRequest], assert_golden: Callable[[str, Mapping[str, object]], None]
) -> None:
    async with (
        ScriptedAnthropicServer([ServerResponse(text="{}")]) as server,
        aclosing(AnthropicModel(base_url=server.url)) as model,
    ):
        await model.respond(rich_request(MODEL))
    assert_golden("anthropic.json", server.requests[0].body)


def _step(number: int) -> tuple[Message, Message]:
    call = ToolCall(id=f"call_{number}", name="clock")
    result = ToolResult(call_id=call.id, name="clock", content="noon")
    return Message(role="assistant", parts=(call,), model=MODEL), Message(role="tool", parts=(result,))


def test_a_longer_transcript_starts_with_the_messages_of_the_shorter_one() -> None:
    messages = [user_message("Hi"), *_step(1), *_step(2), *_step(3)]
    for count in (1, 3, 5):
        shorter, longer = _messages(*messages[:count]), _messages(*messages[: count + 2])
        assert longer[: len(shorter)] == shorter


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_prompt_has_cache_breakpoints_after_its_stable_start_and_at_its_end(steps: int) -> None:
    messages = [user_message("Hi"), *(message for number in range(steps) for message in _step(number))]
    body = anthropic_body(_request(*messages, tools=(CLOCK,)))
    assert 1 <= _breakpoint_count(body) <= 4
    assert _breakpoint_count(body["system"]) == 1
    sent = body["messages"]
    assert isinstance(sent, list)
    assert _breakpoint_count(sent[-1]) == 1
    assert _breakpoint_count(sent) == min(2, steps + 1), "the end of the step before is a breakpoint, too"


def test_without_instructions_the_breakpoint_is_after_the_tools() -> None:
    body = anthropic_body(_request(system=" ", tools=(CLOCK,)))
    assert "system" not in body
    assert _breakpoint_count(body["tools"]) == 1


def test_consecutive_user_messages_and_results_are_one_message_with_the_results_first() -> None:
    calling, results = _step(1)
    sent = _messages(user_message("Hi"), user_message("there"), calling, results, user_message("Go on."))
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert [block["type"] for block in sent[0]["content"]] == ["text", "text"]
    assert [block["type"] for block in sent[2]["content"]] == ["tool_result", "text"]


def test_blank_text_is_left_out() -> None:
    blank = Message(role="assistant", parts=(TextPart(text=" \n"),), model=MODEL)
    sent = _messages(user_message("Hi"), blank, user_message("Well?"))
    assert sent == [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Well?"}]}]


def test_an_error_without_a_message_gets_one() -> None:
    failed = ToolResult(call_id="a", name="clock", content="", is_error=True)
    (message,) = _messages(Message(role="tool", parts=(failed,)))
    assert message["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "a",
        "content": "The tool failed without a message.",
        "is_error": True,
    }


THINKING = ThinkingPart(text="Hmm.", provider="anthropic", signature="sig")
REDACTED = ThinkingPart(text="", provider="anthropic", data={"redacted": "opaque"})


@pytest.mark.parametrize(
    ("thinking", "author", "sent"),
    [
        pytest.param(THINKING, MODEL, [{"type": "thinking", "thinking": "Hmm.", "signature": "sig"}], id="its own"),
        pytest.param(REDACTED, MODEL, [{"type": "redacted_thinking", "data": "opaque"}], id="redacted"),
        pytest.param(THINKING, "anthropic:claude-opus-5-5", [], id="another Claude's"),
        pytest.param(ThinkingPart(text="Hmm.", provider="openai"), MODEL, [], id="another provider's"),
        pytest.param(ThinkingPart(text="Hmm.", provider="anthropic"), MODEL, [], id="unsigned"),
    ],
)
def test_thinking_is_sent_back_unchanged_to_the_model_that_it_came_from(
    thinking: ThinkingPart, author: str, sent: list[object]
) -> None:
    response = Message(role="assistant", parts=(thinking, TextPart(text="Noon.")), model=author)
    _, message = _messages(user_message("Hi"), response)
    assert message["content"] == [*sent, {"type": "text", "text": "Noon."}]


def test_images_are_sent_by_url_or_as_data() -> None:
    parts = (
        ImagePart(url="https://example.org/a.png"),
        ImagePart(data=b"aGk=", media_type="image/png"),
        ImagePart(url="data:image/gif;base64,R0lG"),
    )
    (message,) = _messages(user_message(parts))
    assert [block["source"] for block in message["content"]] == [
        {"type": "url", "url": "https://example.org/a.png"},
        {"type": "base64", "media_type": "image/png", "data": "aGk="},
        {"type": "base64", "media_type": "image/gif", "data": "R0lG"},
    ]


def test_text_files_are_texts_and_pdfs_are_documents() -> None:
    parts = (
        FilePart(data=b"YSxiCg==", media_type="text/csv", name="a.csv"),
        FilePart(data=b"JVBERg==", media_type="application/pdf", name="b.pdf"),
        FilePart(data=b"JVBERg==", media_type="application/pdf"),
    )
    (message,) = _messages(user_message(parts))
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}
    text, named, unnamed = message["content"]
    assert text == {"type": "text", "text": '<file name="a.csv" media_type="text/csv">\na,b\n\n</file>'}
    assert named == {"type": "document", "source": source, "title": "b.pdf"}
    assert unnamed.items() >= {"type": "document", "source": source}.items()
    assert "title" not in unnamed


def test_a_file_of_another_type_is_rejected_before_it_is_sent() -> None:
    with pytest.raises(ModelRequestRejected, match=r"not the file a\.zip \(application/zip\)"):
        _messages(user_message((FilePart(data=b"aGk=", media_type="application/zip", name="a.zip"),)))


@given(st.text())
def test_every_call_id_becomes_a_valid_one_and_always_the_same(call_id: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", anthropic_call_id(call_id))
    assert anthropic_call_id(call_id) == anthropic_call_id(call_id)


def test_different_ids_stay_different_and_results_keep_the_id_of_their_call() -> None:
    assert len({anthropic_call_id(call_id) for call_id in ("a:b", "a/b", "a_b", "")}) == 4
    call = ToolCall(id="call:ü", name="clock")
    result = ToolResult(call_id=call.id, name="clock", content="noon")
    _, calling, results = _messages(
        user_message("Hi"), Message(role="assistant", parts=(call,)), Message(role="tool", parts=(result,))
    )
    assert calling["content"][0]["id"] == results["content"][0]["tool_use_id"]


def test_a_thinking_budget_is_not_sent_while_a_turn_of_another_model_continues() -> None:
    calling, results = _step(1)
    foreign = calling.model_copy(update={"model": "openai:gpt-5"})
    settings = ModelSettings(thinking_budget=2_000)
    continued = replace(_request(user_message("Hi"), foreign, results), settings=settings)
    assert "thinking" not in anthropic_body(continued)
    later = replace(continued, messages=(*continued.messages, user_message("And now?")))
    assert anthropic_body(later)["thinking"] == {"type": "enabled", "budget_tokens": 2_000}
