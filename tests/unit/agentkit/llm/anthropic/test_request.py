from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.model import AnthropicModel
from agentkit.llm.anthropic.request import wire_id, wire_request
from agentkit.messages import ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult, user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import ScriptedAnthropicServer, ServerResponse

MODEL = "anthropic:claude-sonnet-4-6"
CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})


def _request(*messages: Message, system: str = "Be brief.", tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    return ModelRequest(model=MODEL, system=system, messages=messages or (user_message("Hi"),), tools=tools)


def _written(*messages: Message) -> list[Any]:
    """Return the turns, without the marks for the cache."""
    written = _unmarked(wire_request(_request(*messages))["messages"])
    assert isinstance(written, list)
    return written


def _unmarked(written: object) -> object:
    if isinstance(written, list):
        return [_unmarked(one) for one in written]
    if isinstance(written, dict):
        return {key: _unmarked(value) for key, value in written.items() if key != "cache_control"}
    return written


def _marks(written: object) -> int:
    if isinstance(written, list):
        return sum(map(_marks, written))
    if isinstance(written, dict):
        return ("cache_control" in written) + sum(map(_marks, written.values()))
    return 0


async def test_a_rich_transcript_is_sent_as_the_golden_request_says(
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


def test_a_longer_transcript_begins_with_the_shorter_ones_bytes() -> None:
    messages = [user_message("Hi"), *_step(1), *_step(2), *_step(3)]
    for count in (1, 3, 5):
        shorter, longer = _written(*messages[:count]), _written(*messages[: count + 2])
        assert longer[: len(shorter)] == shorter


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_prompt_is_marked_for_the_cache_where_it_is_stable_and_at_its_end(steps: int) -> None:
    messages = [user_message("Hi"), *(message for number in range(steps) for message in _step(number))]
    written = wire_request(_request(*messages, tools=(CLOCK,)))
    assert 1 <= _marks(written) <= 4
    assert _marks(written["system"]) == 1
    turns = written["messages"]
    assert isinstance(turns, list)
    assert _marks(turns[-1]) == 1
    assert _marks(turns) == min(2, steps + 1), "the step before is found again"


def test_without_instructions_the_tools_are_marked() -> None:
    written = wire_request(_request(system=" ", tools=(CLOCK,)))
    assert "system" not in written
    assert _marks(written["tools"]) == 1


def test_what_people_and_tools_say_in_a_row_is_one_turn_with_the_results_first() -> None:
    asking, answered = _step(1)
    turns = _written(user_message("Hi"), user_message("there"), asking, answered, user_message("Go on."))
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [block["type"] for block in turns[0]["content"]] == ["text", "text"]
    assert [block["type"] for block in turns[2]["content"]] == ["tool_result", "text"]


def test_text_of_nothing_is_left_out() -> None:
    blank = Message(role="assistant", parts=(TextPart(text=" \n"),), model=MODEL)
    turns = _written(user_message("Hi"), blank, user_message("Well?"))
    assert turns == [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Well?"}]}]


def test_an_error_without_words_says_something() -> None:
    failed = ToolResult(call_id="a", name="clock", content="", is_error=True)
    (turn,) = _written(Message(role="tool", parts=(failed,)))
    assert turn["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "a",
        "content": "The tool failed and said nothing.",
        "is_error": True,
    }


THOUGHT = ThinkingPart(text="Hmm.", provider="anthropic", signature="sig")
REDACTED = ThinkingPart(text="", provider="anthropic", data={"redacted": "opaque"})


@pytest.mark.parametrize(
    ("thought", "author", "sent"),
    [
        pytest.param(THOUGHT, MODEL, [{"type": "thinking", "thinking": "Hmm.", "signature": "sig"}], id="its own"),
        pytest.param(REDACTED, MODEL, [{"type": "redacted_thinking", "data": "opaque"}], id="redacted"),
        pytest.param(THOUGHT, "anthropic:claude-opus-5-5", [], id="another Claude's"),
        pytest.param(ThinkingPart(text="Hmm.", provider="openai"), MODEL, [], id="another provider's"),
        pytest.param(ThinkingPart(text="Hmm.", provider="anthropic"), MODEL, [], id="unsigned"),
    ],
)
def test_a_thought_goes_back_unchanged_to_the_model_that_thought_it(
    thought: ThinkingPart, author: str, sent: list[object]
) -> None:
    answer = Message(role="assistant", parts=(thought, TextPart(text="Noon.")), model=author)
    _, turn = _written(user_message("Hi"), answer)
    assert turn["content"] == [*sent, {"type": "text", "text": "Noon."}]


def test_images_are_sent_by_url_or_as_data() -> None:
    parts = (
        ImagePart(url="https://example.org/a.png"),
        ImagePart(data=b"aGk=", media_type="image/png"),
        ImagePart(url="data:image/gif;base64,R0lG"),
    )
    (turn,) = _written(user_message(parts))
    assert [block["source"] for block in turn["content"]] == [
        {"type": "url", "url": "https://example.org/a.png"},
        {"type": "base64", "media_type": "image/png", "data": "aGk="},
        {"type": "base64", "media_type": "image/gif", "data": "R0lG"},
    ]


@given(st.text())
def test_every_id_becomes_an_allowed_one_and_always_the_same(call_id: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", wire_id(call_id))
    assert wire_id(call_id) == wire_id(call_id)


def test_ids_stay_apart_and_calls_keep_their_results() -> None:
    assert len({wire_id(call_id) for call_id in ("a:b", "a/b", "a_b", "")}) == 4
    call = ToolCall(id="call:ü", name="clock")
    result = ToolResult(call_id=call.id, name="clock", content="noon")
    _, asking, answered = _written(
        user_message("Hi"), Message(role="assistant", parts=(call,)), Message(role="tool", parts=(result,))
    )
    assert asking["content"][0]["id"] == answered["content"][0]["tool_use_id"]


def test_thinking_by_budget_waits_where_another_model_began_the_turn() -> None:
    asking, answered = _step(1)
    foreign = asking.model_copy(update={"model": "openai:gpt-5"})
    settings = ModelSettings(thinking_budget=2_000)
    begun = replace(_request(user_message("Hi"), foreign, answered), settings=settings)
    assert "thinking" not in wire_request(begun)
    later = replace(begun, messages=(*begun.messages, user_message("And now?")))
    assert wire_request(later)["thinking"] == {"type": "enabled", "budget_tokens": 2_000}
