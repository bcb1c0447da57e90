"""The live view on a terminal."""

from __future__ import annotations

import io
import json
import re

from rich.console import Console

from agentkit.client import Lost, Regained
from agentkit.client.task_events import read_event
from cli.views.live_display import LiveDisplay
from tests.unit.cli.commands.test_follow import CALL, EVENTS
from tests.unit.cli.scripted_api import Document, event

USAGE = {"input_tokens": 1000, "output_tokens": 234, "cost_usd": 0.0021}
HIDDEN = "\x1b[?25l"
SHOWN = "\x1b[?25h"


def shown(*updates: Document | Lost | Regained) -> str:
    """Return all that a terminal got."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=30, highlight=False, markup=False)
    with LiveDisplay(console) as display:
        for update in updates:
            display.show(read_event(json.dumps(update), None) if isinstance(update, dict) else update)
    return file.getvalue()


def last_frame(*updates: Document | Lost | Regained) -> list[str]:
    """Return the lines below those that stay, as they were drawn last."""
    drawn = shown(*updates).partition(SHOWN)[0].rpartition("\x1b[2K")[2].replace(HIDDEN, "")
    return re.sub(r"\x1b\[[0-9;]*m", "", drawn).strip("\n").splitlines()


def delta(text: str, kind: str = "text") -> Document:
    return {**event(None, "model.delta", step=1, text=text), "kind": kind}


def test_what_the_model_says_is_shown_as_it_comes() -> None:
    text, status = last_frame(*EVENTS[:3], delta("Let me"), delta(" count."))

    assert text == "   Let me count."
    assert re.fullmatch(r". queued · step 1 · demo:demo · 0 tokens · \d+ s", status)


def test_a_model_that_begins_anew_is_shown_anew() -> None:
    assert last_frame(*EVENTS[:3], delta("I th"), event(None, "model.reset", step=1), delta("It"))[0] == "   It"


def test_thoughts_are_shown_until_the_answer_begins() -> None:
    assert last_frame(*EVENTS[:3], delta("Hm", "thinking"))[0] == "   Hm"
    assert last_frame(*EVENTS[:3], delta("Hm", "thinking"), delta("It"))[0] == "   It"


def test_of_a_long_answer_the_end_is_shown() -> None:
    *text, _ = last_frame(*EVENTS[:3], delta(" ".join(f"word{number}" for number in range(900))))

    assert len(text) == 8
    assert text[-1].endswith("word899")


def test_tools_at_work_tokens_and_cost_are_shown() -> None:
    answered = event(4, "model.completed", step=1, model="demo:demo", usage=USAGE)
    tool, status = last_frame(*EVENTS[:3], answered, event(5, "tool.started", step=1, call=CALL))

    assert tool == '   … calculator (0 s) {"expression": "6*7"}'
    assert " · 1,234 tokens · $0.0021 · " in status
    assert len(last_frame(*EVENTS[:7])) == 1


def test_a_lost_connection_is_said_and_its_gap_stays_on_the_screen() -> None:
    assert "connection lost, retrying; the task goes on meanwhile" in last_frame(*EVENTS[:3], Lost("refused"))[-1]
    assert "-- connection lost for 5 s; what happened meanwhile follows --" in shown(Lost("refused"), Regained(5.2))


def test_a_terminal_is_left_as_it_was_and_not_steered_by_what_a_model_says() -> None:
    drawn = shown(*EVENTS[:3], delta("\x1b]0;title\x07\x1b[2Jgone"))

    assert drawn.count(HIDDEN) == drawn.count(SHOWN) == 1
    assert "\x1b]" not in drawn
    assert "\x1b[2J" not in drawn
