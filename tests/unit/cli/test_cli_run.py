"""``opspawn run`` against a scripted API."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.cli.scripted_api import Answered, ScriptedApi, problem, task

DROPPED = Answered(0, None)
CALL = {"type": "tool_call", "id": "c1", "name": "calculator", "arguments": {"expression": "6*7"}}
RESULT = {"type": "tool_result", "call_id": "c1", "name": "calculator", "content": "42"}
MESSAGES = [
    {"role": "user", "parts": [{"type": "text", "text": "What is 6 times 7?"}]},
    {"role": "assistant", "parts": [CALL], "model": "demo:demo"},
    {"role": "tool", "parts": [RESULT]},
    {"role": "assistant", "parts": [{"type": "text", "text": "It is 42"}], "model": "demo:demo"},
]


def page(start: int, end: int) -> dict[str, object]:
    return {"start": start, "messages": MESSAGES[start:end], "total": end}


def test_the_output_is_all_that_stdout_gets(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks", Answered(201, task("queued")))
    api.on("GET", "/tasks/task-1", task("running"), task(output="It is [bold]42[/bold]"))

    ended = opspawn("run", "assistant", "What is 6 times 7?")

    assert (ended.code, ended.out) == (0, "It is [bold]42[/bold]\n")
    assert api.asked[0].body == {"agent": "assistant", "input": "What is 6 times 7?"}
    assert api.asked[1].path.endswith("?wait=30")


def test_options_reach_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks", Answered(201, task()))

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
    api.on("POST", "/tasks", DROPPED, DROPPED, Answered(200, task()))

    ended = opspawn("run", "assistant", "hello")

    assert ended.code == 0
    assert len({asked.headers["idempotency-key"] for asked in api.asked}) == 1
    assert len(api.asked) == 3


@pytest.mark.parametrize("options", [[], ["--follow"], ["--follow", "--json"]], ids=["wait", "follow", "json"])
def test_waiting_survives_an_api_that_goes_away(api: ScriptedApi, opspawn: Opspawn, options: list[str]) -> None:
    away = Answered(502, "<html>no</html>", "text/html")
    api.on("POST", "/tasks", Answered(201, task("queued")))
    api.on("GET", "/tasks/task-1", DROPPED, away, task())
    api.on("GET", "/tasks/task-1/transcript", DROPPED, page(0, 4), page(4, 4))

    ended = opspawn("run", "assistant", "hello", *options)

    assert ended.code == 0
    assert "42" in ended.out
    assert ended.err.count("Connection lost, retrying") == 1
    assert "Connected again" in ended.err


def test_following_prints_each_step_once(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks", Answered(201, task("queued")))
    api.on("GET", "/tasks/task-1", task("running"), task(output="It is 42"))
    api.on("GET", "/tasks/task-1/transcript", page(0, 2), page(2, 3), page(3, 4), page(4, 4))

    ended = opspawn("run", "assistant", "What is 6 times 7?", "--follow")

    assert ended.out.splitlines() == [
        "task task-1",
        "you What is 6 times 7?",
        "step 1 demo:demo",
        '   → calculator {"expression": "6*7"}',
        "   ← calculator 42",
        "step 2 demo:demo",
        "It is 42",
    ]
    assert [asked.path.rpartition("=")[2] for asked in api.asked if "transcript" in asked.path] == ["0", "2", "3", "4"]


def test_following_as_json_gives_one_object_a_line_and_the_task_last(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks", Answered(201, task()))
    api.on("GET", "/tasks/task-1/transcript", page(0, 4), page(4, 4))

    ended = opspawn("run", "assistant", "hello", "--follow", "--json")

    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert [line["type"] for line in lines] == ["task", "message", "message", "message", "message", "task"]
    assert [line["position"] for line in lines[1:5]] == [0, 1, 2, 3]
    assert lines[-1]["task"] == task()


@pytest.mark.parametrize("status", ["failed", "cancelled", "terminated", "timed_out"])
def test_a_task_that_did_not_complete_is_exit_code_1(api: ScriptedApi, opspawn: Opspawn, status: str) -> None:
    error = {"type": "ModelNotAuthorized", "message": "the key is wrong", "step": 3}
    api.on("POST", "/tasks", Answered(201, task(status, error=error)))

    ended = opspawn("run", "assistant", "hello")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"Task task-1 {status.replace('_', ' ')} at step 3: the key is wrong (ModelNotAuthorized)"


def test_an_object_is_printed_as_json(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks", Answered(201, task(output={"answer": 42})))

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
    api.on("GET", "/tasks/task-1", task("running"))
    api.on("GET", "/tasks/task-1/transcript", page(0, 0))
    command = [sys.executable, "-c", "from cli.main import main; main()", "run", "assistant", "x", "--url", api.url]

    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        api.until_asked("GET", "/tasks/task-1")
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=20)

    assert running.returncode == 130
    assert f"opspawn show task-1 --url {api.url}" in said
    assert f"opspawn cancel task-1 --url {api.url}" in said
    assert not any("cancel" in asked.path for asked in api.asked)
