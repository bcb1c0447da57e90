"""``opspawn send``, ``pause``, ``resume`` and ``fork`` against a scripted API."""

from __future__ import annotations

import json
from getpass import getuser

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, final_event, problem, stream, task


@pytest.mark.parametrize(
    ("option", "fields"),
    [
        ([], {"mode": "enqueue"}),
        (["--interrupt"], {"mode": "interrupt"}),
        (["--pin"], {"mode": "enqueue", "pinned": True}),
    ],
    ids=["later", "now", "pinned"],
)
def test_a_message_is_sent_by_this_machines_user(
    api: ScriptedApi, opspawn: Opspawn, option: list[str], fields: dict[str, object]
) -> None:
    api.on("POST", "/tasks/task-1/messages", ScriptedResponse(202, task("running")))

    result = opspawn("send", "task-1", "Use euros.", *option)

    assert (result.code, result.out) == (0, "Task task-1 has the message.\n")
    assert api.requests[0].body == {"text": "Use euros.", "sent_by": getuser(), **fields}


def test_an_empty_message_is_not_sent(api: ScriptedApi, opspawn: Opspawn) -> None:
    assert opspawn("send", "task-1", "-", stdin=" \n").code == 2
    assert api.requests == []


def test_a_task_is_paused_and_resumed(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks/task-1/pause", ScriptedResponse(202, task("running")))
    api.on("POST", "/tasks/task-1/resume", ScriptedResponse(202, task("running")))

    assert f"opspawn resume task-1 --url {api.url}" in opspawn("pause", "task-1").out
    assert opspawn("resume", "task-1").out == "Task task-1 goes on.\n"


def test_a_task_that_has_ended_can_not_be_steered(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks/task-1/pause", problem(409, "The task has ended", "It is completed.", kind="task-ended"))

    result = opspawn("pause", "task-1")

    assert (result.code, result.err) == (2, "The task has ended: It is completed.")


def test_without_a_worker_the_command_that_starts_one_is_named(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks/task-1/resume", ScriptedResponse(202, task("running", waiting_for_worker=True)))
    api.on("GET", "/system", {"task_queue": "mine", "temporal": "t:1", "worker_command": "/bin/opspawn worker"})

    assert "Start one: `/bin/opspawn worker`" in opspawn("resume", "task-1").err


def test_a_fork_goes_on_with_other_input_agent_and_model(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks/task-1/fork", ScriptedResponse(201, task("running", id="task-2")))

    result = opspawn(
        *("fork", "task-1", "--from-step", "2", "Without the discount.", "--agent", "clerk"),
        *("--model", "demo:demo", "--limit", "max_steps=5"),
    )

    assert api.requests[0].body == {
        "from_step": 2,
        "input": "Without the discount.",
        "agent": "clerk",
        "model": "demo:demo",
        "limits": {"max_steps": 5},
    }
    assert result.out.splitlines()[0] == "Task task-2 goes on after step 2 of task-1."
    assert f"opspawn follow task-2 --url {api.url}" in result.out


def test_a_fork_is_followed_or_printed_as_json(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks/task-1/fork", ScriptedResponse(201, task("running", id="task-2")))
    api.on("GET", "/tasks/task-2", task(id="task-2", output="Done."))
    api.on("GET", "/tasks/task-2/events", stream(final_event()))

    followed = opspawn("fork", "task-1", "--from-step", "0", "--follow")

    assert (followed.code, followed.out.splitlines()[-1]) == (0, "Done.")
    assert api.requests[0].body == {"from_step": 0}
    assert json.loads(opspawn("fork", "task-1", "--from-step", "0", "--json").out)["id"] == "task-2"


def test_a_step_that_is_not_there_exits_with_2(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/tasks/task-1/fork", problem(422, "The request isn't valid", "from_step: steps 0 to 3 exist"))

    result = opspawn("fork", "task-1", "--from-step", "9")

    assert (result.code, "steps 0 to 3 exist" in result.err) == (2, True)
