"""A turn's events as lines of a chat."""

from __future__ import annotations

import json
from io import StringIO

from rich.console import Console

from agentkit.client.task_events import parse_event
from cli.views.chat_display import ChatDisplay, ChatLines, PlainChat
from tests.unit.scripted_api import EVENTS, JsonObject, event


def rendered(lines: ChatLines, *events: JsonObject) -> list[str]:
    return [line.plain for each in events for line in lines.render(parse_event(_data(each), each.get("id")))]


def _data(each: JsonObject) -> str:
    return json.dumps({key: value for key, value in each.items() if key != "id"})


def started() -> JsonObject:
    return event(1, "model.started", step=1, model="demo:demo")


def delta(text: str, kind: str = "text") -> JsonObject:
    return event(None, "model.delta", step=1, text=text, kind=kind)


def completed(text: str) -> JsonObject:
    message = {"role": "assistant", "parts": [{"type": "text", "text": text}]}
    return event(2, "model.completed", step=1, model="demo:demo", message=message)


def test_a_turn_is_its_calls_and_its_responses() -> None:
    lines = ChatLines()

    assert rendered(lines, *EVENTS) == [
        '   → calculator {"expression": "6*7"}',
        "   ← calculator 42 (250 ms)",
        "It is 42",
    ]
    assert lines.response == "It is 42"


def test_a_response_is_shown_line_by_line_as_it_streams_in() -> None:
    lines = ChatLines()

    assert rendered(lines, started(), delta("First\n\n  sec")) == ["First", ""]
    assert lines.unfinished == "  sec"
    assert rendered(lines, delta("ond\nla")) == ["  second"]
    assert rendered(lines, completed("First\n\n  second\nlast")) == ["last"]
    assert lines.unfinished == ""


def test_reasoning_and_arguments_are_no_part_of_the_response() -> None:
    lines = ChatLines()

    assert rendered(lines, started(), delta("Hm\nso\n", "thinking"), delta("{\n", "tool_arguments")) == []
    assert lines.unfinished == ""


def test_a_response_that_starts_again_says_so_only_where_some_of_it_was_shown() -> None:
    lines = ChatLines()
    reset = event(None, "model.reset", step=1)

    assert rendered(lines, started(), delta("Draft"), reset) == []
    assert rendered(lines, delta("One\nTwo"), reset) == ["One", "   (the response starts again)"]
    assert rendered(lines, delta("Uno\n"), completed("Uno\nDue")) == ["Uno", "Due"]


def test_a_response_whose_deltas_were_lost_is_shown_as_a_whole() -> None:
    lines = ChatLines()

    assert rendered(lines, started(), delta("One\n"), delta("ee\nFour"), completed("One\nTwo\nThree\nFour")) == [
        "One",
        "ee",
        "   (the response starts again)",
        "One",
        "Two",
        "Three",
        "Four",
    ]


def test_memories_and_compactions_are_notes() -> None:
    memories = [{"id": "m1", "text": "Ada likes tea."}]

    assert rendered(
        ChatLines(),
        event(1, "memory.recalled", memories=memories),
        event(2, "memory.recalled", memories=[]),
        event(3, "context.compacted", version=2, tokens_before=120_000, tokens_after=9_000),
    ) == ["   (recalled 1 memory)", "   (older messages were shortened: 120,000 to 9,000 tokens)"]


def test_a_failed_response_names_its_reason() -> None:
    failed = event(2, "model.failed", step=1, model="demo:demo", error={"message": "HTTP 500"})

    assert rendered(ChatLines(), started(), delta("One\n"), failed) == [
        "One",
        "   (the response starts again)",
        "   ✗ demo:demo HTTP 500",
    ]


def test_text_of_models_cant_control_the_terminal() -> None:
    assert rendered(ChatLines(), started(), completed("a\x1b[2Jb")) == ["a[2Jb"]


def console(width: int) -> Console:
    return Console(file=StringIO(), force_terminal=True, width=width, height=20, color_system=None, highlight=False)


def written(console_: Console) -> str:
    assert isinstance(console_.file, StringIO)
    return console_.file.getvalue()


def test_long_lines_are_wrapped_at_words_without_an_indent() -> None:
    screen = console(20)
    plain = PlainChat(screen, ChatLines())

    plain.show(parse_event(_data(completed("All work and no play makes Jack")), "p1"))

    assert written(screen).splitlines() == ["All work and no play", "makes Jack"]


def test_the_line_that_streams_in_is_drawn_below_the_complete_ones() -> None:
    screen = console(80)
    with ChatDisplay(screen, ChatLines()) as display:
        for each in (started(), delta("First\nsecond in pro")):
            display.show(parse_event(_data(each), None))
        display._live.refresh()
        drawn = written(screen)

    assert "First\n" in drawn
    assert drawn.rindex("second in pro") > drawn.index("First")
    assert "second in pro" not in drawn[: drawn.index("First")]
