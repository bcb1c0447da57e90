"""Displays of a task's updates, and its summary."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from agentkit.client import ConnectionLost, ConnectionRestored, Task
from agentkit.client.task_events import parse_event
from cli.views.task_display import ConnectionNotices, Display, JsonLines, PlainLines, summary
from tests.unit.scripted_api import CALL, EVENTS, RESULT, event, task

LOST, RESTORED = ConnectionLost("refused"), ConnectionRestored(5.2)


@pytest.mark.parametrize(
    "display",
    [ConnectionNotices(), JsonLines(), PlainLines(Console(file=io.StringIO()), None)],
    ids=["notices", "json", "plain"],
)
def test_every_display_prints_breaks_of_the_connection_on_stderr(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    with display:
        display.show(LOST)
        display.show(RESTORED)

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "Connection lost, retrying. The task goes on meanwhile. (refused)",
        "Connected again after 5 s.",
    ]


def test_json_lines_hold_the_position_and_the_event_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    data: dict[str, Any] = {"type": "of.tomorrow", "task_id": "t", "at": "2026-11-21T19:53:11Z", "more": [1]}

    JsonLines().show(parse_event(json.dumps(data), "p9"))
    JsonLines().show(parse_event(json.dumps(data), None))

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"id": "p9", **data}, data]


def test_notices_ignore_events(capsys: pytest.CaptureFixture[str]) -> None:
    ConnectionNotices().show(parse_event(json.dumps(EVENTS[2]), None))

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "completed · 2 steps · 164 tokens · 1.0 s"),
        ({"steps": 1, "completed_at": None}, "completed · 1 step · 164 tokens"),
        ({"usage": {"input_tokens": 5000, "cost_usd": 0.25}}, "completed · 2 steps · 5,000 tokens · 1.0 s · $0.2500"),
        ({"usage": {"input_tokens": 5000, "cost_usd": 0.0}}, "completed · 2 steps · 5,000 tokens · 1.0 s"),
        (
            {"usage": {"input_tokens": 5000, "cost_usd": 0.25, "unpriced_calls": 2}},
            "completed · 2 steps · 5,000 tokens · 1.0 s · $0.2500 + 2 calls of unknown price",
        ),
    ],
    ids=["ended", "running", "priced", "free", "partly priced"],
)
def test_a_summary_holds_status_steps_tokens_time_and_cost(fields: dict[str, Any], text: str) -> None:
    assert summary(Task.from_json(task(**fields))) == text


def test_steps_fit_40_columns() -> None:
    terminal = io.StringIO()
    display = PlainLines(Console(file=terminal, force_terminal=True, color_system=None, width=40), None)
    call = {**CALL, "arguments": {"expression": "1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10"}}
    result = {**RESULT, "content": "a result of many words that doesn't fit a line of 40 columns"}

    for data in (event(5, "tool.started", step=1, call=call), event(6, "tool.completed", step=1, result=result)):
        display.show(parse_event(json.dumps(data), None))

    assert terminal.getvalue().splitlines() == [
        '   → calculator {"expression": "1 + 2 +',
        '     3 + 4 + 5 + 6 + 7 + 8 + 9 + 10"}',
        "   ← calculator a result of many words",
        "     that doesn't fit a line of 40",
        "     columns (0 ms)",
    ]
