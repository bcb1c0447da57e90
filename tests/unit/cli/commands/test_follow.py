"""``opspawn follow`` and ``run --follow`` against a scripted API."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.reserved_ports import refusing_port
from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import (
    CALL,
    EVENTS,
    RESULT,
    JsonObject,
    ScriptedApi,
    ScriptedResponse,
    event,
    final_event,
    problem,
    stream,
    task,
)


def last_event_ids(api: ScriptedApi) -> list[str | None]:
    """Return the position after which each stream was requested."""
    return [request.headers.get("last-event-id") for request in api.requests if request.path.endswith("/events")]


def test_each_step_is_shown_once_and_the_output_last(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/task-1", task(output="It is 42"))
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS))

    result = opspawn("follow", "task-1")

    assert result.code == 0
    assert result.out.splitlines() == [
        "task task-1",
        "you What is 6 times 7?",
        "step 1 demo:demo",
        '   → calculator {"expression": "6*7"}',
        "   ← calculator 42 (250 ms)",
        "step 2 demo:demo",
        "It is 42",
    ]
    assert "completed · 2 steps · 164 tokens · 1.0 s" in result.err


def test_a_lost_connection_is_noted_and_nothing_is_shown_twice(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/task-1", task(output="It is 42"))
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS[:4], cut=True), stream(*EVENTS[4:6]), stream(*EVENTS[6:]))

    result = opspawn("follow", "task-1")

    assert last_event_ids(api) == [None, "p3", "p5"]
    assert [line.split()[0] for line in result.out.splitlines()] == ["task", "you", "step", "→", "←", "step", "It"]
    assert result.err.count("Connection lost, retrying") == result.err.count("Connected again") == 1


def test_json_prints_each_event_of_the_api_on_a_line(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/task-1", task())
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS))

    result = opspawn("follow", "task-1", "--json")

    assert [json.loads(line) for line in result.out.splitlines()] == EVENTS


def test_a_failed_task_exits_with_1(api: ScriptedApi, opspawn: Opspawn) -> None:
    error = {"type": "ModelNotAuthorized", "message": "the key is wrong", "step": 1}
    failed = event(4, "model.failed", step=1, model="demo:demo", error=error)
    api.on("GET", "/tasks/task-1", task("failed", error=error))
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS[:3], failed, final_event("failed")))

    result = opspawn("follow", "task-1")

    assert (result.code, result.out.splitlines()[-1]) == (1, "   ✗ demo:demo the key is wrong")
    assert result.err == "Task task-1 failed at step 1: the key is wrong (ModelNotAuthorized)"


def test_retries_plans_refused_calls_and_pauses_are_shown(api: ScriptedApi, opspawn: Opspawn) -> None:
    failure = {"type": "Unavailable", "message": "overloaded"}
    refused: JsonObject = {
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
            final_event(),
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


def test_an_unknown_task_exits_with_2_and_a_missing_server_with_3(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/nope", problem(404, "Task not found", "There is no task 'nope'."))

    assert opspawn("follow", "nope").code == 2
    with refusing_port() as port:
        assert opspawn("follow", "nope", url=f"http://127.0.0.1:{port}").code == 3


def test_a_stream_of_another_server_exits_with_3_and_the_command_to_come_back(
    api: ScriptedApi, opspawn: Opspawn
) -> None:
    api.on("GET", "/tasks/task-1", task("running"))
    api.on("GET", "/tasks/task-1/events", ScriptedResponse(200, "<html>hello</html>", "text/html"))

    result = opspawn("follow", "task-1")

    assert result.code == 3
    assert "not as Opspawn's API does" in result.err
    assert f"opspawn follow task-1 --url {api.url}" in result.err


def follow_with_head(api: ScriptedApi, *options: str) -> tuple[int, str]:
    """Run ``opspawn follow task-1`` into a pipe that is closed after one line; return the exit code and stderr."""
    command = [sys.executable, "-c", "from cli.main import main; main()", "follow", "task-1", "--url", api.url]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        errors = running.stderr.read()
        return running.wait(30), errors


MANY_EVENTS = [
    *EVENTS[:3],
    *(event(100 + number, "plan.updated", step=1, plan=["x" * 150] * 100) for number in range(50)),
    final_event(),
]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_pipe_that_is_closed_early_is_no_error(api: ScriptedApi, options: list[str]) -> None:
    api.on("GET", "/tasks/task-1", task(output="It is 42"))
    api.on("GET", "/tasks/task-1/events", stream(*MANY_EVENTS))

    assert follow_with_head(api, *options) == (0, "")


def test_a_task_that_failed_exits_with_1_also_when_the_pipe_is_closed_early(api: ScriptedApi) -> None:
    error = {"type": "ModelNotAuthorized", "message": "the key is wrong", "step": 1}
    api.on("GET", "/tasks/task-1", task("failed", error=error))
    api.on("GET", "/tasks/task-1/events", stream(*MANY_EVENTS[:-1], final_event("failed")))

    code, errors = follow_with_head(api)

    assert (code, errors) == (1, "Task task-1 failed at step 1: the key is wrong (ModelNotAuthorized)\n")
