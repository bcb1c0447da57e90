"""``opspawn run`` against a scripted API."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import JsonObject, ScriptedApi, ScriptedResponse, final_event, problem, stream, task

DROPPED_CONNECTION = ScriptedResponse(0, None)


def script_task(api: ScriptedApi, ended_task: JsonObject, *streams: ScriptedResponse) -> None:
    """Script a task that is accepted and ends as ``ended_task``."""
    api.on("POST", "/tasks", ScriptedResponse(201, task("queued")))
    api.on("GET", "/tasks/task-1/events", *(streams or [stream(final_event())]))
    api.on("GET", "/tasks/task-1", ended_task)


def test_stdout_gets_only_the_output(api: ScriptedApi, opspawn: Opspawn) -> None:
    script_task(api, task(output="It is [bold]42[/bold]"))

    result = opspawn("run", "assistant", "What is 6 times 7?")

    assert (result.code, result.out) == (0, "It is [bold]42[/bold]\n")
    assert api.requests[0].body == {"agent": "assistant", "input": "What is 6 times 7?"}


def test_options_reach_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    script_task(api, task())

    result = opspawn(
        *("run", "assistant", "-", "--model", "demo:demo", "--tag", "a", "--tag", "b", "--idempotency-key", "k1"),
        *("--limit", "max_steps=5", "--limit", "deadline=1h", "--json"),
        stdin="line 1\nline 2 é",
    )

    assert json.loads(result.out)["output"] == "42"
    assert api.requests[0].headers["idempotency-key"] == "k1"
    assert api.requests[0].body == {
        "agent": "assistant",
        "input": "line 1\nline 2 é",
        "model": "demo:demo",
        "tags": ["a", "b"],
        "limits": {"max_steps": 5, "deadline": 3600.0},
    }


def test_a_prompt_and_its_arguments_are_the_input(api: ScriptedApi, opspawn: Opspawn) -> None:
    script_task(api, task())

    result = opspawn("run", "assistant", "--prompt", "notes/review", "--argument", "change=17")

    assert result.code == 0
    expected = {"prompt": "notes/review", "arguments": {"change": "17"}}
    assert api.requests[0].body == {"agent": "assistant", "input": expected}


def test_resources_are_parts_of_the_input(api: ScriptedApi, opspawn: Opspawn) -> None:
    script_task(api, task())

    opspawn("run", "assistant", "Summarise", "--resource", "notes:file:///plan.md")

    text, resource = (api.requests[0].body or {})["input"]
    assert text == {"type": "text", "text": "Summarise"}
    assert resource == {"type": "resource", "uri": "file:///plan.md", "server": "notes"}


def test_an_mcp_server_that_fails_is_exit_code_1(api: ScriptedApi, opspawn: Opspawn) -> None:
    failed = problem(502, "An MCP server can't be used", "It crashed.", kind="mcp-server-failed")
    api.on("POST", "/tasks", failed)

    result = opspawn("run", "assistant", "--prompt", "notes/review")

    assert (result.code, result.err) == (1, "An MCP server can't be used: It crashed.")


def test_a_submission_without_a_response_is_repeated_with_its_idempotency_key(
    api: ScriptedApi, opspawn: Opspawn
) -> None:
    script_task(api, task())
    api.on("POST", "/tasks", DROPPED_CONNECTION, DROPPED_CONNECTION, ScriptedResponse(200, task()))

    result = opspawn("run", "assistant", "hello")

    assert result.code == 0
    submissions = [request for request in api.requests if request.method == "POST"]
    assert len({request.headers["idempotency-key"] for request in submissions}) == 1
    assert len(submissions) == 3


@pytest.mark.parametrize("options", [[], ["--follow"], ["--follow", "--json"]], ids=["wait", "follow", "json"])
def test_waiting_survives_an_unavailable_api(api: ScriptedApi, opspawn: Opspawn, options: list[str]) -> None:
    unavailable = ScriptedResponse(502, "<html>no</html>", "text/html")
    script_task(api, task(), DROPPED_CONNECTION, unavailable, stream(final_event()))
    api.on("GET", "/tasks/task-1", DROPPED_CONNECTION, unavailable, task())

    result = opspawn("run", "assistant", "hello", *options)

    assert result.code == 0
    assert result.err.count("Connection lost, retrying") == 1
    assert re.search(r"Connected again after \d+ s", result.err)


@pytest.mark.parametrize("status", ["failed", "cancelled", "terminated", "timed_out"])
def test_a_task_that_did_not_complete_exits_with_1(api: ScriptedApi, opspawn: Opspawn, status: str) -> None:
    error = {"type": "ModelNotAuthorized", "message": "the key is wrong", "step": 3}
    script_task(api, task(status, error=error), stream(final_event(status)))

    result = opspawn("run", "assistant", "hello")

    assert (result.code, result.out) == (1, "")
    assert result.err == f"Task task-1 {status.replace('_', ' ')} at step 3: the key is wrong (ModelNotAuthorized)"


def test_an_object_is_printed_as_json(api: ScriptedApi, opspawn: Opspawn) -> None:
    script_task(api, task(output={"answer": 42}))

    assert json.loads(opspawn("run", "assistant", "hello").out) == {"answer": 42}


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["assistant", "  "], None, "INPUT is empty"),
        (["assistant", "-"], b"\xff\xfe", "INPUT isn't UTF-8"),
        (["assistant", "x", "--limit", "max_steps"], None, "expected KEY=VALUE"),
        (["assistant", "x", "--limit", "max_stepz=1"], None, "Known limits: max_steps, max_tokens"),
        (["assistant", "x", "--limit", "max_steps=many"], None, "--limit max_steps=many: Input should be a valid"),
    ],
    ids=["empty", "bytes", "no value", "unknown limit", "no number"],
)
def test_bad_usage_exits_with_2_and_sends_no_request(
    api: ScriptedApi, opspawn: Opspawn, arguments: list[str], stdin: bytes | None, message: str
) -> None:
    result = opspawn("run", *arguments, stdin=stdin)

    assert result.code == 2
    assert message in result.err
    assert not api.requests


def test_a_problem_is_printed_with_its_errors(api: ScriptedApi, opspawn: Opspawn) -> None:
    errors: list[dict[str, object]] = [
        {"pointer": "/limits/max_steps", "detail": "must be at least 1"},
        {"loc": ["body", "x"], "msg": "unknown"},
    ]
    api.on("POST", "/tasks", problem(422, "Invalid body", "2 fields are wrong", errors))

    result = opspawn("run", "assistant", "hello")

    assert result.code == 2
    assert result.err.splitlines() == [
        "Invalid body: 2 fields are wrong",
        "  /limits/max_steps: must be at least 1",
        "  body.x: unknown",
    ]


@pytest.mark.parametrize("options", [[], ["--follow"]], ids=["wait", "follow"])
def test_ctrl_c_leaves_the_task_running_and_prints_the_commands_to_come_back(
    api: ScriptedApi, options: list[str]
) -> None:
    api.on("POST", "/tasks", ScriptedResponse(201, task("queued")))
    api.on("GET", "/tasks/task-1/events", stream())
    command = [sys.executable, "-c", "from cli.main import main; main()", "run", "assistant", "x", "--url", api.url]

    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        api.wait_for_request("GET", "/tasks/task-1/events")
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)

    assert running.returncode == 130
    assert f"opspawn follow task-1 --url {api.url}" in errors
    assert f"opspawn show task-1 --url {api.url}" in errors
    assert f"opspawn cancel task-1 --url {api.url}" in errors
    assert not any("cancel" in request.path for request in api.requests)


SYSTEM = {"task_queue": "mine", "temporal": "127.0.0.1:7233", "worker_command": "opspawn worker --app-dir /srv/app"}


def script_models(api: ScriptedApi, model: str, *, unconfigured: bool) -> None:
    default_model = {"name": "demo:demo" if unconfigured else "openai:gpt-5-mini", "unconfigured": unconfigured}
    api.on("GET", "/system", {**SYSTEM, "default_model": default_model})
    api.on("GET", "/agents", {"agents": [{"name": "assistant", "models": [model]}]})


@pytest.mark.parametrize("options", [[], ["--follow"]], ids=["wait", "follow"])
def test_without_a_key_the_demo_model_is_explained_once_on_stderr(
    api: ScriptedApi, opspawn: Opspawn, options: list[str]
) -> None:
    script_task(api, task())
    script_models(api, "demo:demo", unconfigured=True)

    result = opspawn("run", "assistant", "hello", *options)

    assert result.code == 0
    assert result.err.count("demo model") == 1
    assert result.err.startswith("No key is set, so this is the demo model")
    assert "\n  export OPENAI_API_KEY=...\n" in result.err
    assert "demo model" not in result.out


@pytest.mark.parametrize(
    ("model", "unconfigured", "options"),
    [
        ("demo:demo", True, ["--json"]),
        ("demo:demo", True, ["--model", "demo:demo"]),
        ("openai:gpt-5-mini", True, []),
        ("demo:demo", False, []),
    ],
    ids=["json", "chosen by option", "agent with a model", "key"],
)
def test_the_demo_model_is_not_explained_to_programs_or_where_it_was_chosen(
    api: ScriptedApi, opspawn: Opspawn, model: str, unconfigured: bool, options: list[str]
) -> None:
    script_task(api, task())
    script_models(api, model, unconfigured=unconfigured)

    result = opspawn("run", "assistant", "hello", *options)

    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("options", [[], ["--follow"], ["--follow", "--json"]], ids=["wait", "follow", "json"])
def test_a_task_without_a_worker_is_reported_with_the_command_that_starts_one(
    api: ScriptedApi, opspawn: Opspawn, options: list[str]
) -> None:
    waiting = task("queued", waiting_for_worker=True)
    unavailable = ScriptedResponse(502, "<html>no</html>", "text/html")
    script_task(api, task(), unavailable, unavailable, unavailable, stream(final_event()))
    api.on("POST", "/tasks", ScriptedResponse(201, waiting))
    api.on("GET", "/tasks/task-1", waiting, task())
    api.on("GET", "/system", SYSTEM)

    result = opspawn("run", "assistant", "hello", *options)

    assert result.code == 0
    assert result.err.count("No worker polls task queue 'mine', so the task waits. Start one: `") == 1
    assert "opspawn worker --app-dir /srv/app`" in result.err
