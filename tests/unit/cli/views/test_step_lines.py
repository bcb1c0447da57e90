"""A task's messages and events as lines."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.text import Text

from agentkit.client.task_events import parse_event
from agentkit.messages import ImagePart, Message, SummarizedMessages, TextPart, ToolCall, ToolResult
from cli.views.step_lines import EventLines, MessageLines, arguments_text, output_text, write_step_line
from tests.unit.scripted_api import CALL, EVENTS, RESULT, JsonObject, event

PIXEL = ImagePart(url="https://images.example/pixel.png")


def of_messages(*messages: Message) -> list[str]:
    lines = MessageLines()
    return [line.plain for message in messages for line in lines.render(message)]


def of_events(*events: JsonObject) -> list[str]:
    lines = EventLines()
    return [line.plain for each in events for line in lines.render(parse_event(json.dumps(each), None))]


def response(text: str, *calls: ToolCall) -> Message:
    return Message(role="assistant", model="demo:demo", parts=(TextPart(text=text), *calls))


def test_a_transcript_shows_input_steps_calls_and_results() -> None:
    call = ToolCall(id="c1", name="clock", arguments={"zone": "UTC"})
    result = ToolResult(call_id="c1", name="clock", content="noon")

    assert of_messages(
        Message(role="user", parts=(TextPart(text="What\ntime?"), PIXEL)),
        response("Let me look.", call),
        Message(role="tool", parts=(result,)),
    ) == [
        "you What time? [image https://images.example/pixel.png]",
        "step 1 demo:demo",
        "   Let me look.",
        '   → clock {"zone": "UTC"}',
        "   ← clock noon",
    ]


def test_the_last_response_of_a_transcript_is_left_to_the_output() -> None:
    assert of_messages(response("First."), response("Second.")) == ["step 1 demo:demo", "   First.", "step 2 demo:demo"]


def test_a_response_between_two_model_requests_is_shown_and_the_last_one_is_not() -> None:
    first = {"role": "assistant", "parts": [{"type": "text", "text": "First."}]}
    completed = event(1, "model.completed", step=1, model="demo:demo", message=first)

    assert of_events(completed, event(2, "model.started", step=2, model="demo:demo"), completed) == [
        "   First.",
        "step 2 demo:demo",
    ]


@pytest.mark.parametrize(
    ("seconds", "duration"), [(11.0, "0 ms"), (11.25, "250 ms"), (13.5, "2.5 s")], ids=["none", "short", "long"]
)
def test_a_result_shows_how_long_its_call_took(seconds: float, duration: str) -> None:
    completed = event(6, "tool.completed", step=1, result=RESULT, second=seconds)

    assert of_events(event(5, "tool.started", step=1, call=CALL), completed)[-1] == f"   ← calculator 42 ({duration})"


def test_a_status_is_shown_only_around_a_wait_or_a_pause() -> None:
    statuses = ["running", "waiting", "running", "paused", "running", "running"]

    lines = of_events(*(event(number, "task.status", status=status) for number, status in enumerate(statuses)))

    assert lines == ["task is waiting", "task is running", "task is paused", "task is running"]


def test_a_model_that_failed_is_shown_with_the_reason() -> None:
    failed = event(4, "model.failed", step=1, model="demo:demo", error={"message": "the key\nis wrong"})

    assert of_events(failed) == ["   ✗ demo:demo the key is wrong"]


def test_events_of_unknown_types_have_no_lines() -> None:
    assert of_events(event(1, "of.tomorrow"), EVENTS[0]) == []


def test_long_results_are_cut_to_one_line() -> None:
    (line,) = of_events(event(6, "tool.completed", step=1, result={**RESULT, "content": "word " * 1000}))

    assert len(line) < 200
    assert line.endswith("…")


@pytest.mark.parametrize(
    ("output", "text"), [("42", "42"), ({"a": "é"}, '{\n  "a": "é"\n}'), (None, "null")], ids=["text", "object", "none"]
)
def test_outputs_are_text_or_json(output: object, text: str) -> None:
    assert output_text(output) == text


def test_arguments_that_are_no_json_are_shown_as_the_model_wrote_them() -> None:
    calls: Sequence[ToolCall] = (
        ToolCall(id="1", name="n", arguments={"a": 1}),
        ToolCall(id="2", name="n", arguments={}, malformed='{"a": '),
    )

    assert [arguments_text(call) for call in calls] == ['{"a": 1}', '{"a":']


LOST = "calculator was started, and its worker was lost. "
INTERRUPTED = event(6, "tool.interrupted", step=1, call=CALL, error={"message": LOST})


def test_a_call_that_was_cut_off_is_followed_by_what_its_probe_found() -> None:
    started = event(5, "tool.started", step=1, call=CALL)
    completed = event(7, "tool.completed", step=1, result=RESULT, second=12)

    assert of_events(started, INTERRUPTED, completed)[1:] == [
        f"   ! {LOST}It is not called again; whether it took effect is checked.",
        "   ← calculator 42 (1.0 s, found out by its probe)",
    ]


def test_what_a_person_says_of_a_call_is_not_ascribed_to_its_probe() -> None:
    asked = {"id": "input_1", "kind": "unknown_outcome", "step": 1, "call_id": "c1", "message": "Find out."}
    opened = event(7, "input.requested", step=1, input_request={**asked, "opened_at": "2026-11-26T16:00:00Z"})
    answered = event(8, "input.answered", input_request_id="input_1", decision="happened", answered_by="ada")

    lines = of_events(INTERRUPTED, opened, answered, event(9, "tool.completed", step=1, result=RESULT))

    assert lines[1] == "   ? input_1 Find out."
    assert lines[-2:] == ["   ! input_1 happened by ada", "   ← calculator 42"]


def test_an_approval_that_is_not_enough_says_so() -> None:
    answered = event(
        8, "input.answered", input_request_id="input_1", decision="approve", answered_by="ada", is_settled=False
    )

    assert of_events(answered) == ["   ! input_1 approve by ada; more people must approve"]


def test_a_command_to_copy_is_not_wrapped() -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, color_system=None, width=40)

    write_step_line(console, Text("     " + "word " * 30, no_wrap=True))

    assert terminal.getvalue().splitlines() == ["     " + "word " * 30]


def test_what_no_person_wrote_is_not_ascribed_to_one_and_steps_go_on_after_a_summary() -> None:
    summary = Message(
        role="user",
        parts=(TextPart(text="This is a summary."),),
        source="compaction",
        summary_of=SummarizedMessages(messages=9, responses=4),
    )
    feedback = Message(role="user", parts=(TextPart(text="Again."),), source="planner")
    memories = Message(role="user", parts=(TextPart(text="Likes tea."),), source="memory")
    assert of_messages(memories, summary, response("a"), feedback) == [
        "memories Likes tea.",
        "summary This is a summary.",
        "step 5 demo:demo",
        "   a",
        "feedback Again.",
    ]
