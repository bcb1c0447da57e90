"""The conversation of a chat starts once, and each message is sent once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.chat.chat_session import ChatSession, ChatStart
from cli.command_options import Server
from cli.errors import ServerUnreachable, UsageWrong
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, conversation, problem, task

UNAVAILABLE = problem(503, "Unavailable", "Temporal is starting")
MESSAGES = "/conversations/conversation-1/messages"


@pytest.fixture
def session(api: ScriptedApi) -> Iterator[ChatSession]:
    api.on("POST", "/conversations", ScriptedResponse(201, conversation()))
    api.on("POST", MESSAGES, ScriptedResponse(201, task("running")))
    with Server(api.url).connected() as connection:
        yield ChatSession(connection, ChatStart("assistant"))


def keys(api: ScriptedApi, path: str) -> list[str]:
    """Return the idempotency keys of the requests, each as the number of its first use."""
    used = [request.headers["idempotency-key"] for request in api.requests if request.path == f"/api/v1{path}"]
    return [str(used.index(key)) for key in used]


def test_one_conversation_has_all_messages(api: ScriptedApi, session: ChatSession) -> None:
    assert session.conversation is None

    session.send("one", "enqueue")
    session.send("one", "interrupt")

    assert len(keys(api, "/conversations")) == 1
    assert keys(api, MESSAGES) == ["0", "1"]
    assert session.unsent is None


def test_the_same_message_after_a_failure_has_the_same_key(api: ScriptedApi, session: ChatSession) -> None:
    api.on("POST", MESSAGES, UNAVAILABLE, UNAVAILABLE, ScriptedResponse(201, task("running")))
    for _ in range(2):
        with pytest.raises(ServerUnreachable):
            session.send("one", "enqueue")
    assert session.unsent == "one"

    session.send("one", "enqueue")

    assert keys(api, MESSAGES) == ["0", "0", "0"]


def test_another_message_after_a_failure_has_another_key(api: ScriptedApi, session: ChatSession) -> None:
    api.on("POST", MESSAGES, UNAVAILABLE, ScriptedResponse(201, task("running")))
    with pytest.raises(ServerUnreachable):
        session.send("one", "enqueue")

    session.send("two", "enqueue")

    assert keys(api, MESSAGES) == ["0", "1"]


def test_a_refused_message_is_not_kept(api: ScriptedApi, session: ChatSession) -> None:
    api.on("POST", MESSAGES, problem(422, "Refused", "too many wait", kind="message-refused"))
    with pytest.raises(UsageWrong, match="too many wait"):
        session.send("one", "enqueue")

    assert session.unsent is None


def test_a_conversation_that_may_have_started_is_not_started_twice(api: ScriptedApi, session: ChatSession) -> None:
    api.on("POST", "/conversations", UNAVAILABLE, UNAVAILABLE, ScriptedResponse(201, conversation()))
    for _ in range(2):
        with pytest.raises(ServerUnreachable):
            session.send("one", "enqueue")

    session.set_title("Another body")
    session.send("one", "enqueue")

    assert keys(api, "/conversations") == ["0", "0", "2"]
