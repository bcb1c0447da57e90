"""``opspawn run`` against a scripted API."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.cli.scripted_api import Answered, Document, ScriptedApi, ending, problem, stream, task

DROPPED = Answered(0, None)


def answering(api: ScriptedApi, ended: Document, *streams: Answered) -> None:
    """Script a task that ends like this."""
    api.on("POST", "/tasks", Answered(201, task("queued")))
    api.on("GET", "/tasks/task-1/events", *(streams or [stream(ending())]))
    api.on("GET", "/tasks/task-1", ended)


def test_the_output_is_all_that_stdout_gets(api: ScriptedApi, opspawn: Opspawn) -> None:
    answering(api, task(output="It is [bold]42[/bold]"))

    ended = opspawn("run", "assistant", "What is 6 times 7?")

    assert (ended.code, ended.out) == (0, "It is [bold]42[/bold]\n")
    assert api.asked[0].body == {"agent": "assistant", "input": "What is 6 times 7?"}


def test_options_reach_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    answering(api, task())

    ended = opspawn(
        *("run", "assistant", "-", "--model", "demo:demo", "--tag", "a", "--tag", "b", "--idempotency-key", "k1"),
        *("--limit", "max_steps=5", "--limit", "deadline=1h", "--json"),
        stdin="line 1\nline 2 é",
    )

    assert json.loads(ended.out)["output"] == "42"
    assert api.asked[0].headers["idempotency-key"] == "k1"
    assert api.asked[0].body == {
        "agent": "assistant",
        "input": "line 1\nline 2 é",
        "model": "demo:demo",
        "tags": ["a", "b"],
        "limits": {"max_steps": 5, "deadline": 3600.0},
    }


def test_a_submission_whose_answer_got_lost_is_repeated_with_its_key(api: ScriptedApi, opspawn: Opspawn) -> None:
    answering(api, task())
    api.on("POST", "/tasks", DROPPED, DROPPED, Answered(200, task()))

    ended = opspawn("run", "assistant", "hello")

    assert ended.code == 0
    submissions = [asked for asked in api.asked if asked.method == "POST"]
    assert len({asked.headers["idempotency-key"] for asked in submissions}) == 1
    assert len(submissions) == 3


@pytest.mark.parametrize("options", [[], ["--follow"], ["--follow", "--json"]], ids=["wait", "follow", "json"])
def test_waiting_survives_an_api_that_goes_away(api: ScriptedApi, opspawn: Opspawn, options: list[str]) -> None:
    away = Answered(502, "<html>no</html>", "text/html")
    answering(api, task(), DROPPED, away, stream(ending()))
    api.on("GET", "/tasks/task-1", DROPPED, away, task())

    ended = opspawn("run", "assistant", "hello", *options)

    assert ended.code == 0
    assert ended.err.count("Connection lost, retrying") == 1
    assert "Connected again after 1 s" in ended.err


@pytest.mark.parametrize("status", ["failed", "cancelled", "terminated", "timed_out"])
def test_a_task_that_did_not_complete_is_exit_code_1(api: ScriptedApi, opspawn: Opspawn, status: str) -> None:
    error = {"type": "ModelNotAuthorized", "message": "the key is wrong", "step": 3}
    answering(api, task(status, error=error), stream(ending(status)))

    ended = opspawn("run", "assistant", "hello")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"Task task-1 {status.replace('_', ' ')} at step 3: the key is wrong (ModelNotAuthorized)"


def test_an_object_is_printed_as_json(api: ScriptedApi, opspawn: Opspawn) -> None:
    answering(api, task(output={"answer": 42}))

    assert json.loads(opspawn("run", "assistant", "hello").out) == {"answer": 42}


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["assistant", "  "], None, "INPUT is empty"),
        (["assistant", "-"], b"\xff\xfe", "INPUT isn't UTF-8"),
        (["assistant", "x", "--limit", "max_steps"], None, "expected KEY=VALUE"),
        (["assistant", "x", "--limit", "max_stepz=1"], None, "Known limits: max_steps, max_tokens"),
        (["assistant", "x", "--limit", "max_steps=many"], None, "--limit max_steps=many: Input should be a valid"),
    ],
    ids=["empty", "bytes", "no value", "unknown limit", "no number"],
)
def test_bad_usage_is_exit_code_2_and_asks_nothing(
    api: ScriptedApi, opspawn: Opspawn, arguments: list[str], stdin: bytes | None, said: str
) -> None:
    ended = opspawn("run", *arguments, stdin=stdin)

    assert ended.code == 2
    assert said in ended.err
    assert not api.asked


def test_a_problem_is_printed_with_its_errors(api: ScriptedApi, opspawn: Opspawn) -> None:
    errors: list[dict[str, object]] = [
        {"pointer": "/limits/max_steps", "detail": "must be at least 1"},
        {"loc": ["body", "x"], "msg": "unknown"},
    ]
    api.on("POST", "/tasks", problem(422, "Invalid body", "2 fields are wrong", errors))

    ended = opspawn("run", "assistant", "hello")

    assert ended.code == 2
    assert ended.err.splitlines() == [
        "Invalid body: 2 fields are wrong",
        "  /limits/max_steps: must be at least 1",
        "  body.x: unknown",
    ]


@pytest.mark.parametrize("options", [[], ["--follow"]], ids=["wait", "follow"])
def test_ctrl_c_leaves_the_task_running_and_says_how_to_come_back(api: ScriptedApi, options: list[str]) -> None:
    api.on("POST", "/tasks", Answered(201, task("queued")))
    api.on("GET", "/tasks/task-1/events", stream())
    command = [sys.executable, "-c", "from cli.main import main; main()", "run", "assistant", "x", "--url", api.url]

    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        api.until_asked("GET", "/tasks/task-1/events")
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=20)

    assert running.returncode == 130
    assert f"opspawn follow task-1 --url {api.url}" in said
    assert f"opspawn show task-1 --url {api.url}" in said
    assert f"opspawn cancel task-1 --url {api.url}" in said
    assert not any("cancel" in asked.path for asked in api.asked)
