"""``opspawn tasks``, ``show``, ``cancel`` and ``agents`` against a scripted API."""

from __future__ import annotations

import json

from tests.unit.cli.conftest import Opspawn
from tests.unit.cli.scripted_api import Answered, ScriptedApi, problem, task


def test_tasks_are_listed_with_whole_ids_and_filters_reach_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    long_id = "task-" + "0123456789abcdef" * 4
    api.on("GET", "/tasks", {"tasks": [task(id=long_id), task("failed")], "next_cursor": "c", "total": 7})

    ended = opspawn("tasks", "--status", "failed", "--agent", "assistant", "--limit", "2")

    assert api.asked[0].path == "/api/v1/tasks?limit=2&status=failed&agent=assistant"
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[0] == ["ID", "AGENT", "STATUS", "STEPS", "TOKENS", "AGE", "INPUT"]
    assert [line[0] for line in lines[1:3]] == [long_id, "task-1"]
    assert lines[2][2] == "failed"
    assert "2 of 7" in ended.out


def test_no_tasks_is_said(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks", {"tasks": [], "next_cursor": None, "total": 0})

    assert opspawn("tasks").out == "No tasks.\n"


def test_a_task_is_shown_with_what_it_did(api: ScriptedApi, opspawn: Opspawn) -> None:
    said = [
        {"role": "user", "parts": [{"type": "text", "text": "hello"}]},
        {"role": "tool", "parts": [{"type": "tool_result", "call_id": "1", "name": "clock", "content": "noon"}]},
    ]
    api.on("GET", "/tasks/task-1", task())
    api.on("GET", "/tasks/task-1/transcript", {"messages": said[:1]}, {"messages": said[1:]}, {"messages": []})

    ended = opspawn("show", "task-1")

    assert ended.code == 0
    for part in ("task-1", "completed · 2 steps · 164 tokens · 1.0 s", "you hello", "← clock noon", "42"):
        assert part in ended.out


def test_a_task_whose_transcript_cannot_be_read_is_shown_all_the_same(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/task-1", task("running"))
    api.on("GET", "/tasks/task-1/transcript", problem(503, "No worker answers", "start one"))

    ended = opspawn("show", "task-1")

    assert ended.code == 0
    assert "running" in ended.out
    assert "No worker answers: start one" in ended.out


def test_an_unknown_task_is_exit_code_2(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/nope", problem(404, "Task not found", "There is no task 'nope'."))

    ended = opspawn("show", "nope")

    assert (ended.code, ended.err) == (2, "Task not found: There is no task 'nope'.")


def test_cancelling_says_how_to_look(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks/task-1/cancel", Answered(202, task("running")))

    ended = opspawn("cancel", "task-1")

    assert ended.code == 0
    assert f"opspawn show task-1 --url {api.url}" in ended.out


def test_agents_are_listed_and_what_is_wrong_is_said(api: ScriptedApi, opspawn: Opspawn) -> None:
    agents = [
        {"name": "assistant", "description": "Does sums.", "models": ["demo:demo"], "tools": ["calculator"]},
        {"name": "broken", "models": ["openai:x"], "problem": "needs a key"},
    ]
    api.on("GET", "/agents", {"agents": agents, "problems": ["agents/bad.yaml: unknown key"]})

    ended = opspawn("agents")

    assert "agents/bad.yaml: unknown key" in ended.err
    lines = ended.out.splitlines()
    assert lines[1].split() == ["assistant", "demo:demo", "calculator", "Does", "sums."]
    assert "can't be used: needs a key" in lines[2]


def test_json_is_what_the_api_answered(api: ScriptedApi, opspawn: Opspawn) -> None:
    listed = {"tasks": [task(extra=[1])], "next_cursor": None, "total": 1, "more": True}
    api.on("GET", "/tasks", listed)

    assert json.loads(opspawn("tasks", "--json").out) == listed
