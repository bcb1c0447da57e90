"""``opspawn tasks``, ``show`` and ``cancel`` against a scripted API."""

from __future__ import annotations

import json

from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, problem, task


def test_tasks_are_listed_with_uncut_ids_and_filters_reach_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    long_id = "task-" + "0123456789abcdef" * 4
    api.on("GET", "/tasks", {"tasks": [task(id=long_id), task("failed")], "next_cursor": "c", "total": 7})

    result = opspawn("tasks", "--status", "failed", "--agent", "assistant", "--limit", "2")

    assert api.requests[0].path == "/api/v1/tasks?limit=2&status=failed&agent=assistant"
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
