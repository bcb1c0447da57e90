"""The commands of a chat, piped in; the API is scripted."""

from __future__ import annotations

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import (
    EVENTS,
    JsonObject,
    ScriptedApi,
    ScriptedResponse,
    conversation,
    problem,
    stream,
    task,
)

CONVERSATION = "/conversations/conversation-1"


@pytest.fixture(autouse=True)
def conversation_1(api: ScriptedApi) -> None:
    """Let the API have two agents, and a conversation."""
    api.on("GET", "/agents", {"agents": [{"name": "assistant", "models": ["demo:demo"]}, {"name": "clerk"}]})
    api.on("GET", CONVERSATION, conversation(turns=2))
    api.on("PATCH", CONVERSATION, conversation(model="demo:other", agent="clerk", title="Sums"))
    api.on("POST", "/conversations", ScriptedResponse(201, conversation()))
    api.on("POST", f"{CONVERSATION}/messages", ScriptedResponse(201, task("running")))
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS))
    api.on("GET", "/tasks/task-1", task(output="It is 42"))


def bodies(api: ScriptedApi, method: str, path: str) -> list[JsonObject]:
    return [
        request.body or {} for request in api.requests if (request.method, request.path) == (method, f"/api/v1{path}")
    ]


def resume(opspawn: Opspawn, stdin: str) -> str:
    result = opspawn("chat", "--conversation", "conversation-1", stdin=stdin)
    assert (result.code, result.err) == (0, "")
    return result.out


def test_help_lists_every_command(opspawn: Opspawn) -> None:
    lines = opspawn("chat", "assistant", stdin="/help\n").out.splitlines()

    assert "/usage                  Show the turns, tokens and cost of this conversation." in lines
    assert [line.split()[0] for line in lines if line.startswith("/")] == [
        *("/help", "/model", "/agent", "/turns", "/fork", "/new", "/title", "/usage", "/edit", "/retry", "/quit")
    ]


def test_the_model_is_shown_and_changed_from_the_next_turn_on(api: ScriptedApi, opspawn: Opspawn) -> None:
    assert resume(opspawn, "/model\n/model demo:other\n/model default\n").splitlines() == [
        "assistant uses demo:demo (the agent's own).",
        "clerk uses demo:other.",
        "clerk uses demo:other.",
    ]
    assert bodies(api, "PATCH", CONVERSATION) == [{"model": "demo:other"}, {"model": None}]


def test_before_the_first_message_changes_are_what_the_conversation_starts_with(
    api: ScriptedApi, opspawn: Opspawn
) -> None:
    result = opspawn("chat", "assistant", stdin="/model demo:other\n/agent clerk\n/title Sums\nHello\n")

    assert result.code == 0
    assert bodies(api, "POST", "/conversations") == [{"agent": "clerk", "model": "demo:other", "title": "Sums"}]


def test_the_agent_and_the_title_of_a_conversation_are_changed(api: ScriptedApi, opspawn: Opspawn) -> None:
    assert resume(opspawn, "/agent\n/agent clerk\n/title Sums of today\n").splitlines()[:2] == [
        "There are: assistant, clerk.",
        "assistant responds.",
    ]
    assert bodies(api, "PATCH", CONVERSATION) == [{"agent": "clerk"}, {"title": "Sums of today"}]


@pytest.mark.parametrize(("command", "from_turn"), [("/fork", 2), ("/fork 1", 1)], ids=["newest", "numbered"])
def test_a_fork_is_the_conversation_from_then_on(
    api: ScriptedApi, opspawn: Opspawn, command: str, from_turn: int
) -> None:
    ended = {"status": "completed", "ended_at": "2026-11-21T19:53:12Z"}
    turns: list[JsonObject] = [
        {"number": 1, "task_id": "task-8", **ended},
        {"number": 2, "task_id": "task-9", **ended},
        {"number": 3, "task_id": "task-10", "status": "running"},
    ]
    api.on("GET", f"{CONVERSATION}/turns", {"turns": turns[:2], "next_cursor": "c2"}, {"turns": turns[2:]})
    api.on("POST", f"{CONVERSATION}/fork", ScriptedResponse(201, conversation(id="conversation-2")))
    api.on("POST", "/conversations/conversation-2/messages", ScriptedResponse(201, task("running")))

    output = resume(opspawn, f"{command}\nAnd in hex?\n")

    assert output.splitlines()[0] == f"This is conversation-2 now, which goes on after turn {from_turn}."
    assert bodies(api, "POST", f"{CONVERSATION}/fork") == [{"from_turn": from_turn}]
    assert [body["input"] for body in bodies(api, "POST", "/conversations/conversation-2/messages")] == ["And in hex?"]


def test_turns_and_usage_are_shown(api: ScriptedApi, opspawn: Opspawn) -> None:
    turn = {"number": 1, "task_id": "task-1", "status": "timed_out", "input": "6*7?", "output": None}
    api.on("GET", f"{CONVERSATION}/turns", {"turns": [turn]})

    _, row, usage = resume(opspawn, "/turns\n/usage\n").splitlines()

    assert row.split() == ["1", "timed", "out", "6*7?"]
    assert usage == "conversation-1: 2 turns · 164 tokens · 140 in, 24 out"


def test_a_new_conversation_keeps_agent_and_model(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", CONVERSATION, conversation(agent="clerk", model="demo:other"))

    resume(opspawn, "/new\nHello\n")

    assert bodies(api, "POST", "/conversations") == [{"agent": "clerk", "model": "demo:other", "title": "Hello"}]


def test_a_message_is_written_in_the_editor(
    api: ScriptedApi, opspawn: Opspawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "printf 'one\\ntwo\\n' >")

    resume(opspawn, "/edit\n")

    assert [body["input"] for body in bodies(api, "POST", f"{CONVERSATION}/messages")] == ["one\ntwo"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/nonsense", "There is no command /nonsense: /help lists them"),
        ("/agent nobody", "There is no agent 'nobody'. There are: assistant, clerk."),
        ("/fork two", "/fork two: expected the number of a turn"),
        ("/fork", "There is nothing to fork yet"),
        ("/title", "write the title after it"),
        ("/retry", "There is nothing to send again"),
    ],
)
def test_wrong_commands_say_what_was_expected(opspawn: Opspawn, line: str, message: str) -> None:
    result = opspawn("chat", "assistant", stdin=f"{line}\n")

    assert result.code == 2
    assert message in result.err


def test_a_refused_change_is_the_apis_own_message(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("PATCH", CONVERSATION, problem(422, "Invalid", "there is no model demo:x"))

    result = opspawn("chat", "--conversation", "conversation-1", stdin="/model demo:x\n")

    assert (result.code, result.err.splitlines()[0]) == (2, "Invalid: there is no model demo:x")
