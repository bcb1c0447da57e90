"""``opspawn delete`` against a scripted API."""

from __future__ import annotations

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, problem

ERASING = {"id": "task-1", "status": "erasing", "memories": None, "waiting_for_worker": False}


@pytest.mark.parametrize(
    ("options", "response", "text"),
    [
        ([], {}, "Task task-1 is being erased: in a few minutes nothing is left of it.\n"),
        ([], {"status": "erased"}, "Task task-1 was erased.\n"),
        (["--memories"], {"status": "erased", "memories": 2}, "Task task-1 was erased.\nMemories erased: 2.\n"),
    ],
    ids=["erasing", "erased", "memories"],
)
def test_a_task_is_erased(
    api: ScriptedApi, opspawn: Opspawn, options: list[str], response: dict[str, object], text: str
) -> None:
    api.on("DELETE", "/tasks/task-1", ScriptedResponse(202, {**ERASING, **response}))

    result = opspawn("delete", "task-1", "--yes", *options)

    assert (result.code, result.out) == (0, text)
    assert api.requests[0].path.endswith("?memories=true") == bool(options)


def test_a_conversation_is_erased(api: ScriptedApi, opspawn: Opspawn) -> None:
    erased = {**ERASING, "id": "conversation-1", "status": "erased", "memories": 3}
    api.on("DELETE", "/conversations/conversation-1", ScriptedResponse(202, erased))

    result = opspawn("delete", "conversation-1", "--conversation", "--memories", stdin="y\n")

    assert "Erase conversation conversation-1, and what it remembered?" in result.err
    assert (result.code, result.out) == (0, " y\nConversation conversation-1 was erased.\nMemories erased: 3.\n")
    assert api.requests[0].path.endswith("?memories=true")


@pytest.mark.parametrize(("answer", "requests"), [("n\n", 0), ("", 0), ("y\n", 1)], ids=["no", "no-answer", "yes"])
def test_a_person_is_asked_first(api: ScriptedApi, opspawn: Opspawn, answer: str, requests: int) -> None:
    api.on("DELETE", "/tasks/task-1", ScriptedResponse(202, ERASING))

    result = opspawn("delete", "task-1", stdin=answer)

    assert "Erase task task-1?" in result.err
    assert (result.code == 0, len(api.requests)) == (requests == 1, requests)


def test_without_a_worker_the_command_that_starts_one_is_named(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("DELETE", "/tasks/task-1", ScriptedResponse(202, {**ERASING, "waiting_for_worker": True}))
    api.on("GET", "/system", {"task_queue": "mine", "temporal": "t:1", "worker_command": "/bin/opspawn worker"})

    assert "Start one: `/bin/opspawn worker`" in opspawn("delete", "task-1", "--yes").err


def test_why_it_does_not_get_on_is_shown(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("DELETE", "/tasks/task-1", ScriptedResponse(202, {**ERASING, "problem": "The bucket refuses that."}))

    assert "It doesn't get on: The bucket refuses that." in opspawn("delete", "task-1", "-y").err


def test_a_running_task_is_refused_with_the_cure(api: ScriptedApi, opspawn: Opspawn) -> None:
    refusal = problem(409, "The task has not ended", "Cancel or terminate it first.", kind="task-running")
    api.on("DELETE", "/tasks/task-1", refusal)

    result = opspawn("delete", "task-1", "--yes")

    assert (result.code, result.err) == (2, "The task has not ended: Cancel or terminate it first.")
