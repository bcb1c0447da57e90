"""``opspawn tasks``, ``show`` and ``cancel`` against a scripted API."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, problem, task

LONG_ID = "task-" + "0123456789abcdef" * 2


def test_tasks_are_listed_with_uncut_ids_and_filters_reach_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    long_id = "task-" + "0123456789abcdef" * 4
    api.on("GET", "/tasks", {"tasks": [task(id=long_id), task("failed")], "next_cursor": "c", "total": 7})

    result = opspawn("tasks", "--status", "failed", "--agent", "assistant", "--tenant", "acme", "--limit", "2")

    assert api.requests[0].path == "/api/v1/tasks?limit=2&status=failed&agent=assistant&tenant=acme"
    lines = [line.split() for line in result.out.splitlines()]
    assert lines[0] == ["ID", "AGENT", "STATUS", "STEPS", "TOKENS", "AGE", "INPUT"]
    assert [line[0] for line in lines[1:3]] == [long_id, "task-1"]
    assert lines[2][2] == "failed"
    assert "2 of 7" in result.out


def test_an_empty_list_prints_no_tasks(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks", {"tasks": [], "next_cursor": None, "total": 0})

    assert opspawn("tasks").out == "No tasks.\n"


def test_a_task_is_shown_with_its_transcript(api: ScriptedApi, opspawn: Opspawn) -> None:
    messages = [
        {"role": "user", "parts": [{"type": "text", "text": "hello"}]},
        {"role": "tool", "parts": [{"type": "tool_result", "call_id": "1", "name": "clock", "content": "noon"}]},
    ]
    api.on("GET", "/tasks/task-1", task())
    api.on("GET", "/tasks/task-1/transcript", {"messages": messages[:1]}, {"messages": messages[1:]}, {"messages": []})

    result = opspawn("show", "task-1")

    assert result.code == 0
    for text in ("task-1", "completed · 2 steps · 164 tokens · 1.0 s", "you hello", "← clock noon", "42"):
        assert text in result.out


def test_a_task_without_a_readable_transcript_is_still_shown(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/task-1", task("running"))
    api.on("GET", "/tasks/task-1/transcript", problem(503, "No worker answers", "start one"))

    result = opspawn("show", "task-1")

    assert result.code == 0
    assert "running" in result.out
    assert "No worker answers: start one" in result.out


def test_an_unknown_task_exits_with_2(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/nope", problem(404, "Task not found", "There is no task 'nope'."))

    result = opspawn("show", "nope")

    assert (result.code, result.err) == (2, "Task not found: There is no task 'nope'.")


def test_cancelling_prints_the_command_that_shows_the_task(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks/task-1/cancel", ScriptedResponse(202, task("running")))

    result = opspawn("cancel", "task-1")

    assert result.code == 0
    assert f"opspawn show task-1 --url {api.url}" in result.out


def test_json_prints_the_response_of_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    listed = {"tasks": [task(extra=[1])], "next_cursor": None, "total": 1, "more": True}
    api.on("GET", "/tasks", listed)

    assert json.loads(opspawn("tasks", "--json").out) == listed


def test_running_tasks_are_listed_with_their_steps_and_tokens(api: ScriptedApi, opspawn: Opspawn) -> None:
    usage = {"tokens": 1234, "input_tokens": 1200, "output_tokens": 34}
    api.on("GET", "/tasks", {"tasks": [task("running", steps=7, usage=usage)], "next_cursor": None, "total": 1})

    assert opspawn("tasks").out.splitlines()[1].split()[2:5] == ["running", "7", "1,234"]


def test_in_40_columns_a_task_takes_several_lines_and_its_id_stays_whole(
    api: ScriptedApi, opspawn: Opspawn, set_width: Callable[[int], None]
) -> None:
    set_width(40)
    listed = task("running", id=LONG_ID, created_at=datetime.now(UTC).isoformat())
    api.on("GET", "/tasks", {"tasks": [listed], "next_cursor": None, "total": 1})

    assert opspawn("tasks").out.splitlines() == [
        LONG_ID,
        "  agent assistant · status running ·",
        "  steps 2 · tokens 164 · age 0s",
        "  What is 6 times 7?",
    ]


def test_a_task_is_shown_in_40_columns_with_an_id_and_an_address_to_copy(
    api: ScriptedApi, opspawn: Opspawn, set_width: Callable[[int], None]
) -> None:
    set_width(40)
    error = {"type": "X", "message": "a reason of many words that doesn't fit a line", "step": 1}
    api.on("GET", f"/tasks/{LONG_ID}", task("failed", id=LONG_ID, error=error))
    api.on("GET", f"/tasks/{LONG_ID}/transcript", {"messages": []})

    lines = opspawn("show", LONG_ID).out.splitlines()

    assert lines[:2] == ["task", LONG_ID]
    assert lines[-2:] == ["a reason of many words that doesn't fit", "a line"]
    assert max(len(line) for line in lines if LONG_ID not in line) <= 40


@pytest.mark.parametrize("command", [["tasks"], ["show", "task-1"]], ids=["tasks", "show"])
def test_a_task_that_waits_for_a_worker_is_listed_and_shown_with_the_command_that_starts_one(
    api: ScriptedApi, opspawn: Opspawn, command: list[str]
) -> None:
    waiting = task("queued", waiting_for_worker=True)
    api.on("GET", "/tasks", {"tasks": [waiting], "next_cursor": None, "total": 1})
    api.on("GET", "/tasks/task-1", waiting)
    api.on("GET", "/tasks/task-1/transcript", {"messages": []})
    api.on("GET", "/system", {"task_queue": "mine", "temporal": "t:1", "worker_command": "/bin/opspawn worker"})

    result = opspawn(*command)

    assert result.code == 0
    notice = "No worker polls task queue 'mine', so the task waits. Start one: `/bin/opspawn worker`"
    assert (result.out + result.err).count(notice) == 1
