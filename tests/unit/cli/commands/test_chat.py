"""``opspawn chat``: which conversation its options mean."""

from __future__ import annotations

import pytest

from tests.reserved_ports import refusing_port
from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import ScriptedApi, conversation, problem


@pytest.fixture(autouse=True)
def agents(api: ScriptedApi) -> None:
    """Let the API have an agent, and one with a problem."""
    api.on("GET", "/agents", {"agents": [{"name": "assistant"}, {"name": "broken", "problem": "no such tool: x"}]})


def test_resume_goes_on_with_the_newest_conversation_of_the_agent(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/conversations", {"conversations": [conversation()]})
    api.on("GET", "/conversations/conversation-1", conversation(turns=3))

    result = opspawn("chat", "assistant", "--resume", stdin="/usage\n")

    assert result.out.startswith("conversation-1: 3 turns")
    listing = next(request for request in api.requests if request.path.startswith("/api/v1/conversations?"))
    assert set(listing.path.partition("?")[2].split("&")) == {
        "agent=assistant",
        "status=idle",
        "status=running",
        "limit=1",
    }


def test_the_options_change_a_conversation_that_goes_on(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/conversations/conversation-1", conversation())
    api.on("PATCH", "/conversations/conversation-1", conversation())

    opspawn(*("chat", "clerk", "--conversation", "conversation-1", "--model", "demo:demo", "--title", "Sums"), stdin="")

    assert [request.body for request in api.requests if request.method == "PATCH"] == [
        {"agent": "clerk"},
        {"model": "demo:demo"},
        {"title": "Sums"},
    ]


def test_conversations_are_listed(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on(
        "GET", "/conversations", {"conversations": [conversation("running", turns=3)], "next_cursor": "c2", "total": 9}
    )

    heading, row, more = opspawn("chat", "assistant", "--list").out.splitlines()

    assert heading.split() == ["ID", "AGENT", "STATUS", "TURNS", "AGE", "TITLE"]
    assert row.split()[:4] == ["conversation-1", "assistant", "running", "3"]
    assert row.endswith("What is 6 times 7?")
    assert more == "The newest 1 of 9."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing AGENT"),
        (["nobody"], "There is no agent 'nobody'. There are: assistant, broken."),
        (["broken"], "Agent 'broken' can't be used: no such tool: x"),
        (["--conversation", "c", "--resume"], "exclude each other"),
        (["assistant", "--resume"], "no conversation to resume with agent 'assistant'"),
        (["--resume"], "There is no conversation to resume."),
        (["--conversation", "old"], "Conversation conversation-1 is expired: it takes no more messages."),
        (["--conversation", "none"], "no conversation none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cant_be_chatted_with_is_named(
    api: ScriptedApi, opspawn: Opspawn, arguments: list[str], message: str
) -> None:
    api.on("GET", "/conversations", {"conversations": []})
    api.on("GET", "/conversations/old", conversation("expired"))
    api.on("GET", "/conversations/none", problem(404, "Not found", "no conversation none"))

    result = opspawn("chat", *arguments, stdin="Hello\n")

    assert result.code == 2
    assert message in result.err
    assert [request for request in api.requests if request.method != "GET"] == []


def test_a_server_that_is_down_is_exit_code_3_with_the_command_that_starts_it(opspawn: Opspawn) -> None:
    with refusing_port() as port:
        result = opspawn("chat", "assistant", stdin="Hello\n", url=f"http://127.0.0.1:{port}")

    assert result.code == 3
    assert f"Can't reach the API at http://127.0.0.1:{port}" in result.err
    assert f"dev --port {port}" in result.err
