"""Following a task until it has ended: which errors it ends with. The commands' tests cover what is shown."""

from __future__ import annotations

import pytest

from activities.shell_commands import opspawn_command
from agentkit.client import Task
from cli.command_options import Answerer, Server
from cli.errors import CommandFailed, ServerUnreachable
from cli.follow_task import follow_until_ended, wait_until_ended
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, final_event, stream, task

ADA = Answerer("ada")
RUNNING = Task.from_json(task("running"))


def script_end(api: ScriptedApi, status: str, **fields: object) -> Server:
    api.on("GET", "/tasks/task-1/events", stream(final_event(status)))
    api.on("GET", "/tasks/task-1", task(status, **fields))
    return Server(api.url)


def test_waiting_prints_only_the_output(api: ScriptedApi, capsys: pytest.CaptureFixture[str]) -> None:
    wait_until_ended(script_end(api, "completed"), RUNNING, as_json=False)

    assert capsys.readouterr() == ("42\n", "")


def test_following_prints_id_output_and_summary(api: ScriptedApi, capsys: pytest.CaptureFixture[str]) -> None:
    follow_until_ended(script_end(api, "completed"), RUNNING, as_json=False, answerer=ADA)

    captured = capsys.readouterr()
    assert captured.out == "task task-1\n42\n"
    assert captured.err == "completed · 2 steps · 164 tokens · 1.0 s\n"


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_task_that_failed_raises_its_error(api: ScriptedApi, as_json: bool) -> None:
    error = {"type": "LimitExceeded", "message": "max_steps", "step": 4}
    server = script_end(api, "failed", error=error)

    with pytest.raises(CommandFailed, match=r"^Task task-1 failed at step 4: max_steps \(LimitExceeded\)$"):
        wait_until_ended(server, RUNNING, as_json=as_json)


def test_an_ended_task_without_an_error_is_reported_by_its_status(api: ScriptedApi) -> None:
    with pytest.raises(CommandFailed, match=r"^Task task-1 timed out$"):
        wait_until_ended(script_end(api, "timed_out"), RUNNING, as_json=False)


def test_a_lost_server_leaves_the_commands_to_come_back(api: ScriptedApi) -> None:
    api.on("GET", "/tasks/task-1/events", ScriptedResponse(200, "<html>hello</html>", "text/html"))

    with pytest.raises(ServerUnreachable) as raised:
        follow_until_ended(Server(api.url), RUNNING, as_json=False, answerer=ADA)

    assert "Task task-1 goes on." in str(raised.value)
    assert f"Come back: `{opspawn_command('follow', 'task-1', '--url', api.url)}`" in str(raised.value)
