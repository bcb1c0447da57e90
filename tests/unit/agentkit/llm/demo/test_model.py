from __future__ import annotations

import time

import pytest

from agentkit.errors import ModelError, ModelNotAuthorized, ModelUnavailable
from agentkit.interfaces import ModelDelta, ModelRequest, ModelResponse
from agentkit.llm import DemoModel
from agentkit.messages import (
    ImagePart,
    Message,
    SummarizedMessages,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
    user_message,
)


async def _respond(*messages: Message, attempt: int = 1) -> ModelResponse:
    return await DemoModel().respond(ModelRequest(model="demo:demo", system="", messages=messages, attempt=attempt))


async def _run_turn(text: str, results: dict[str, str], *, before: tuple[Message, ...] = ()) -> list[Message]:
    """Run a turn to its end, with a fixed result for each tool; return all messages."""
    transcript = [*before, user_message(text)]
    for _ in range(10):
        response = await _respond(*transcript)
        transcript.append(response.message)
        calls = response.message.tool_calls
        if not calls:
            return transcript
        parts = tuple(ToolResult(call_id=call.id, name=call.name, content=results[call.name]) for call in calls)
        transcript.append(Message(role="tool", parts=parts))
    raise AssertionError("the demo model never finished")


async def test_a_call_finishes_with_its_result() -> None:
    transcript = await _run_turn('call calculator {"expression": "6*7"}', {"calculator": "42"})
    assert [message.role for message in transcript] == ["user", "assistant", "tool", "assistant"]
    assert transcript[1].tool_calls == (ToolCall(id="call_1_1", name="calculator", arguments={"expression": "6*7"}),)
    assert transcript[-1].text == "42"


async def test_each_line_is_one_response() -> None:
    transcript = await _run_turn("call a\ncall b & c\nsay Done.", {"a": "1", "b": "2", "c": "3"})
    names = [[call.name for call in message.tool_calls] for message in transcript if message.role == "assistant"]
    assert names == [["a"], ["b", "c"], []]
    assert transcript[-1].text == "Done."


async def test_other_text_ends_with_an_echo_of_all_of_it_and_the_last_results() -> None:
    transcript = await _run_turn("call a\ncall b & c\nWhat now?\ncall never\nPlease.", {"a": "1", "b": "2", "c": "3"})
    assert transcript[-1].text == "What now?\nPlease.\n2\n3"


@pytest.mark.parametrize(
    ("text", "echo"),
    [
        pytest.param("Hello\n\n  there  ", "Hello\nthere", id="lines"),
        pytest.param("say", "say", id="say without a text"),
        pytest.param("saying nothing", "saying nothing", id="a word that begins like a command"),
        pytest.param("fail 200", "fail 200", id="a status that is no failure"),
        pytest.param("think hard", "think hard", id="think without a number"),
    ],
)
async def test_text_without_a_command_is_echoed(text: str, echo: str) -> None:
    assert (await _respond(user_message(text))).message.text == echo


@pytest.mark.parametrize("text", ["", "   \n", "think 10"], ids=["empty", "blank", "only a modifier"])
async def test_an_echo_is_never_empty(text: str) -> None:
    assert "nothing to echo" in (await _respond(user_message(text))).message.text


async def test_an_image_alone_gets_a_response() -> None:
    image = user_message((ImagePart(url="https://example.org/a.png"),))
    assert "nothing to echo" in (await _respond(image)).message.text


async def test_the_next_turn_starts_with_its_own_first_line_and_new_call_ids() -> None:
    first = await _run_turn("call a\nsay one", {"a": "1"})
    second = await _run_turn("call a\nsay two", {"a": "2"}, before=tuple(first))
    assert [message.text for message in second if message.role == "assistant"] == ["", "one", "", "two"]
    assert [call.id for message in second for call in message.tool_calls] == ["call_1_1", "call_3_1"]


async def test_after_feedback_of_the_planner_the_next_line_is_the_response() -> None:
    first = Message(role="assistant", parts=(TextPart(text="one"),))
    feedback = Message(role="user", parts=(TextPart(text="say hello"),), source="planner")
    response = await _respond(user_message("say one\nsay two"), first, feedback)
    assert response.message.text == "two"


async def test_thinking_takes_its_time_and_streams_a_word_every_ten_milliseconds() -> None:
    deltas: list[ModelDelta] = []
    request = ModelRequest(model="demo:demo", system="", messages=(user_message("think 120\nsay Done."),))
    started = time.monotonic()
    response = await DemoModel().respond(request, deltas.append)
    assert time.monotonic() - started >= 0.119
    thinking = "".join(delta.text for delta in deltas if delta.kind == "thinking")
    assert len(thinking.split()) == 12
    assert response.message.parts == (ThinkingPart(text=thinking, provider="demo"), TextPart(text="Done."))
    assert [delta.kind for delta in deltas].index("text") == 12


@pytest.mark.parametrize(
    ("text", "attempt", "expected"),
    [
        pytest.param("fail 503\nsay ok", 7, ModelUnavailable, id="every attempt"),
        pytest.param("fail 429 x2\nsay ok", 2, ModelUnavailable, id="within the attempts"),
        pytest.param("fail 429 x2\nsay ok", 3, None, id="after the attempts"),
        pytest.param("fail 500 x1\nfail 401 x2\nsay ok", 2, ModelNotAuthorized, id="one after the other"),
        pytest.param("fail 401", 1, ModelNotAuthorized, id="before the echo"),
    ],
)
async def test_only_the_attempts_that_a_fail_line_names_fail(
    text: str, attempt: int, expected: type[ModelError] | None
) -> None:
    if expected is None:
        assert (await _respond(user_message(text), attempt=attempt)).message.text == "ok"
        return
    with pytest.raises(expected) as caught:
        await _respond(user_message(text), attempt=attempt)
    assert str(caught.value.status) in text


async def test_modifiers_change_only_the_response_that_follows() -> None:
    calling = Message(role="assistant", parts=(ToolCall(id="1", name="a"),))
    result = Message(role="tool", parts=(ToolResult(call_id="1", name="a", content="1"),))
    response = await _respond(user_message("think 20\nfail 500\ncall a\nsay ok"), calling, result)
    assert response.message.parts == (TextPart(text="ok"),)


async def test_the_same_request_always_gives_the_same_response() -> None:
    first, second = [await _respond(user_message("think 20\ncall a & b")) for _ in range(2)]
    assert first == second


async def test_the_lines_go_on_where_a_summary_stands_for_earlier_responses() -> None:
    summary = Message(
        role="user",
        parts=(TextPart(text="A summary."),),
        source="compaction",
        summary_of=SummarizedMessages(messages=4, responses=2),
    )
    calling = Message(role="assistant", parts=(ToolCall(id="1", name="c"),))
    result = Message(role="tool", parts=(ToolResult(call_id="1", name="c", content="c"),))
    response = await _respond(user_message("call a\ncall b\ncall c\nsay done"), summary, calling, result)
    assert response.message.text == "done"


async def test_asked_for_a_summary_it_quotes_the_record_and_calls_no_tool() -> None:
    record = Message(role="user", parts=(TextPart(text="call a\n" + "word " * 500),), source="compaction")
    response = await _respond(record)
    assert response.message.text.startswith("In 502 words: call a word")
    assert response.message.tool_calls == ()
    assert len(response.message.text) < 400
