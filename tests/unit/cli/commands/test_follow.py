"""``opspawn follow`` and ``run --follow`` against a scripted API."""

from __future__ import annotations

import json

from tests.unit.cli.conftest import Opspawn
from tests.unit.cli.scripted_api import Answered, Document, ScriptedApi, ending, event, problem, stream, task

CALL = {"type": "tool_call", "id": "c1", "name": "calculator", "arguments": {"expression": "6*7"}}
RESULT = {"type": "tool_result", "call_id": "c1", "name": "calculator", "content": "42"}
EVENTS: list[Document] = [
    event(1, "task.status", status="queued"),
    event(2, "task.started", agent="assistant", input="What is 6 times 7?"),
    event(3, "model.started", step=1, model="demo:demo"),
    event(None, "model.delta", step=1, text="Let me"),
    event(4, "model.completed", step=1, model="demo:demo", message={"role": "assistant", "parts": [CALL]}),
    event(5, "tool.started", step=1, call=CALL),
    event(6, "tool.completed", step=1, result=RESULT, second=11.25),
    event(7, "model.started", step=2, model="demo:demo"),
    event(
        *(8, "model.completed"),
        step=2,
        model="demo:demo",
        message={"role": "assistant", "parts": [{"type": "text", "text": "It is 42"}]},
    ),
    event(9, "of.tomorrow", more=[1]),
    event(10, "task.completed", status="completed", output="It is 42"),
]


def after(api: ScriptedApi) -> list[str | None]:
    """Return where each stream was taken up."""
    return [asked.headers.get("last-event-id") for asked in api.asked if asked.path.endswith("/events")]


def test_each_step_is_shown_once_and_the_output_last(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/task-1", task(output="It is 42"))
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS))

    ended = opspawn("follow", "task-1")

    assert ended.code == 0
    assert ended.out.splitlines() == [
        "task task-1",
        "you What is 6 times 7?",
        "step 1 demo:demo",
        '   → calculator {"expression": "6*7"}',
        "   ← calculator 42 (250 ms)",
        "step 2 demo:demo",
        "It is 42",
    ]
    assert "completed · 2 steps · 164 tokens · 1.0 s" in ended.err


def test_a_lost_connection_is_noted_and_nothing_is_shown_twice(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/task-1", task(output="It is 42"))
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS[:4], cut=True), stream(*EVENTS[4:6]), stream(*EVENTS[6:]))

    ended = opspawn("follow", "task-1")

    assert after(api) == [None, "p3", "p5"]
    assert [line.split()[0] for line in ended.out.splitlines()] == ["task", "you", "step", "→", "←", "step", "It"]
    assert ended.err.count("Connection lost, retrying") == ended.err.count("Connected again") == 1


def test_json_is_one_event_a_line_as_the_api_told_it(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/task-1", task())
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS))

    ended = opspawn("follow", "task-1", "--json")

    assert [json.loads(line) for line in ended.out.splitlines()] == EVENTS


def test_a_task_that_failed_is_exit_code_1(api: ScriptedApi, opspawn: Opspawn) -> None:
    error = {"type": "ModelNotAuthorized", "message": "the key is wrong", "step": 1}
    failed = event(4, "model.failed", step=1, model="demo:demo", error=error)
    api.on("GET", "/tasks/task-1", task("failed", error=error))
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS[:3], failed, ending("failed")))

    ended = opspawn("follow", "task-1")

    assert (ended.code, ended.out.splitlines()[-1]) == (1, "   ✗ demo:demo the key is wrong")
    assert ended.err == "Task task-1 failed at step 1: the key is wrong (ModelNotAuthorized)"


def test_what_a_person_should_know_is_shown(api: ScriptedApi, opspawn: Opspawn) -> None:
    failure = {"type": "Unavailable", "message": "overloaded"}
    refused: Document = {
        "result": {**RESULT, "content": "Not called", "is_error": True},
        "call": CALL,
        "error": failure,
    }
    api.on("GET", "/tasks/task-1", task())
    api.on(
        *("GET", "/tasks/task-1/events"),
        stream(
            event(None, "model.retrying", step=1, model="demo:demo", attempt=2, max_attempts=8, error=failure),
            event(None, "tool.retrying", step=1, call=CALL, attempt=3, error=failure),
            event(4, "plan.updated", step=1, plan=["look", "answer"]),
            event(5, "tool.failed", step=1, **refused),
            event(6, "task.status", status="paused"),
            event(7, "task.status", status="running"),
            ending(),
        ),
    )

    assert opspawn("follow", "task-1").out.splitlines()[1:-1] == [
        "   ↻ demo:demo attempt 2 of 8: overloaded",
        "   ↻ calculator attempt 3: overloaded",
        "   1. look",
        "   2. answer",
        '   → calculator {"expression": "6*7"}',
        "   ← calculator Not called",
        "task is paused",
        "task is running",
    ]


def test_an_unknown_task_is_exit_code_2_and_nobody_there_3(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/nope", problem(404, "Task not found", "There is no task 'nope'."))

    assert opspawn("follow", "nope").code == 2
    assert opspawn("follow", "nope", url="http://127.0.0.1:9").code == 3


def test_a_stream_that_cannot_be_read_ends_with_what_to_do(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/task-1", task("running"))
    api.on("GET", "/tasks/task-1/events", Answered(200, "<html>hello</html>", "text/html"))

    ended = opspawn("follow", "task-1")

    assert ended.code == 3
    assert "not as Opspawn's API does" in ended.err
    assert f"opspawn follow task-1 --url {api.url}" in ended.err
