"""The live view of a task on a terminal."""

from __future__ import annotations

import io
import json
import re

from rich.console import Console

from agentkit.client import ConnectionLost, ConnectionRestored
from agentkit.client.task_events import parse_event
from cli.views.live_display import LiveDisplay
from tests.unit.scripted_api import CALL, EVENTS, JsonObject, event

USAGE = {"input_tokens": 1000, "output_tokens": 234, "cost_usd": 0.0021}
HIDE_CURSOR = "\x1b[?25l"
SHOW_CURSOR = "\x1b[?25h"


def written(*updates: JsonObject | ConnectionLost | ConnectionRestored) -> str:
    """Return everything that was written to a terminal."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=30, highlight=False, markup=False)
    with LiveDisplay(console, None) as display:
        for update in updates:
            display.show(parse_event(json.dumps(update), None) if isinstance(update, dict) else update)
    return file.getvalue()


def last_frame(*updates: JsonObject | ConnectionLost | ConnectionRestored) -> list[str]:
    """Return the lines of the live area, as they were drawn last."""
    drawn = written(*updates).partition(SHOW_CURSOR)[0].rpartition("\x1b[2K")[2].replace(HIDE_CURSOR, "")
    return re.sub(r"\x1b\[[0-9;]*m", "", drawn).strip("\n").splitlines()


def delta(text: str, kind: str = "text") -> JsonObject:
    return {**event(None, "model.delta", step=1, text=text), "kind": kind}


def test_a_response_is_shown_while_it_streams_in() -> None:
    text, status = last_frame(*EVENTS[:3], delta("Let me"), delta(" count."))

    assert text == "   Let me count."
    assert re.fullmatch(r". queued · step 1 · demo:demo · 0 tokens · \d+ s", status)


def test_a_response_that_starts_again_replaces_the_first_one() -> None:
    assert last_frame(*EVENTS[:3], delta("I th"), event(None, "model.reset", step=1), delta("It"))[0] == "   It"


def test_reasoning_is_shown_until_the_text_begins() -> None:
    assert last_frame(*EVENTS[:3], delta("Hm", "thinking"))[0] == "   Hm"
    assert last_frame(*EVENTS[:3], delta("Hm", "thinking"), delta("It"))[0] == "   It"


def test_the_end_of_a_long_response_is_shown() -> None:
    *text, _ = last_frame(*EVENTS[:3], delta(" ".join(f"word{number}" for number in range(900))))

    assert len(text) == 8
    assert text[-1].endswith("word899")


def test_running_tools_tokens_and_cost_are_shown() -> None:
    completed = event(4, "model.completed", step=1, model="demo:demo", usage=USAGE)
    tool, status = last_frame(*EVENTS[:3], completed, event(5, "tool.started", step=1, call=CALL))

    assert re.fullmatch(r'   … calculator \(\d+ s\) {"expression": "6\*7"}', tool)
    assert " · 1,234 tokens · $0.0021 · " in status
    assert len(last_frame(*EVENTS[:7])) == 1


def test_a_lost_connection_is_shown_and_its_gap_stays_on_the_screen() -> None:
    lost = ConnectionLost("refused")

    assert "connection lost, retrying; the task goes on meanwhile" in last_frame(*EVENTS[:3], lost)[-1]
    note = "-- connection lost for 5 s; what happened meanwhile follows --"
    assert note in written(lost, ConnectionRestored(5.2))


def test_the_terminal_is_restored_and_not_controlled_by_text_of_a_model() -> None:
    drawn = written(*EVENTS[:3], delta("\x1b]0;title\x07\x1b[2Jgone"))

    assert drawn.count(HIDE_CURSOR) == drawn.count(SHOW_CURSOR) == 1
    assert "\x1b]" not in drawn
    assert "\x1b[2J" not in drawn
