"""The client's calls about conversations against a scripted API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agentkit.client import OpspawnClient, RequestRefused
from agentkit.messages import TextPart
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, conversation, problem, task

DROPPED_CONNECTION = ScriptedResponse(0, None)
MESSAGES = "/conversations/conversation-1/messages"


@pytest.fixture
async def client(api: ScriptedApi) -> AsyncIterator[OpspawnClient]:
    async with OpspawnClient(api.url, reconnect_timeout=10) as client:
        yield client


async def test_a_conversation_starts_with_only_the_given_fields(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", "/conversations", ScriptedResponse(201, conversation()))

    created = await client.conversations.create("assistant")

    assert (created.id, created.ended, created.raw["links"]) == (
        "conversation-1",
        False,
        {"self": "/api/v1/conversations/conversation-1"},
    )
    assert api.requests[0].body == {"agent": "assistant"}


async def test_a_conversation_starts_with_all_fields(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", "/conversations", ScriptedResponse(201, conversation("running", current_task_id="task-1")))

    created = await client.conversations.create(
        "assistant",
        message=[TextPart(text="Hello")],
        model="demo:demo",
        title="Greetings",
        user="ada",
        tags=["a"],
        metadata={"k": "v"},
        on_busy="enqueue",
        idle_expiry="30d",
        idempotency_key="key-1",
    )

    assert created.current_task_id == "task-1"
    assert api.requests[0].headers["idempotency-key"] == "key-1"
    assert api.requests[0].body == {
        "agent": "assistant",
        "message": [{"type": "text", "text": "Hello"}],
        "model": "demo:demo",
        "title": "Greetings",
        "user": "ada",
        "tags": ["a"],
        "metadata": {"k": "v"},
        "on_busy": "enqueue",
        "idle_expiry": "30d",
    }


async def test_a_message_that_may_have_arrived_is_sent_again_with_the_same_key(
    api: ScriptedApi, client: OpspawnClient
) -> None:
    api.on("POST", MESSAGES, DROPPED_CONNECTION, ScriptedResponse(200, task("running")))

    turn = await client.conversations.send("conversation-1", "Hello", on_busy="interrupt", limits={"max_steps": 5})

    first, second = api.requests
    assert turn.id == "task-1"
    assert first.body == {"input": "Hello", "on_busy": "interrupt", "limits": {"max_steps": 5}}
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_a_busy_conversation_refuses_with_its_kind_of_problem(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", MESSAGES, problem(409, "Busy", "a turn runs", kind="conversation-busy"))

    with pytest.raises(RequestRefused, match="a turn runs") as refused:
        await client.conversations.send("conversation-1", "Hello")

    assert (refused.value.status, refused.value.kind) == (409, "conversation-busy")


async def test_a_list_is_filtered_by_the_api(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("GET", "/conversations", {"conversations": [conversation()], "next_cursor": "c2", "total": 9})

    page = await client.conversations.list(status=["idle"], agent="assistant", tag="a", cursor="c1")

    assert ([each.id for each in page.conversations], page.next_cursor, page.total) == (["conversation-1"], "c2", 9)
    assert set(api.requests[0].path.partition("?")[2].split("&")) == {
        "status=idle",
        "agent=assistant",
        "tag=a",
        "limit=50",
        "cursor=c1",
    }


async def test_turns_and_transcripts_are_read_in_pages(api: ScriptedApi, client: OpspawnClient) -> None:
    turn = {"number": 2, "task_id": "task-1", "status": "completed", "input": "Hi", "output": "Hello"}
    api.on("GET", "/conversations/conversation-1/turns", {"turns": [turn], "next_cursor": None})
    api.on("GET", "/conversations/conversation-1/transcript", {"messages": []})

    (read,) = (await client.conversations.turns("conversation-1", start=2, limit=5)).turns
    await client.conversations.transcript("conversation-1", start=4, limit=9, version=2)

    assert (read.number, read.task_id, read.output) == (2, "task-1", "Hello")
    assert [request.path.partition("?")[2] for request in api.requests] == [
        "start=2&limit=5",
        "start=4&limit=9&version=2",
    ]


async def test_the_agents_own_model_is_null_and_what_isnt_named_stays(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("PATCH", "/conversations/conversation-1", conversation())

    await client.conversations.change("conversation-1", model=None)
    await client.conversations.change("conversation-1", title="Sums", agent="clerk", on_busy="enqueue")

    assert [request.body for request in api.requests] == [
        {"model": None},
        {"title": "Sums", "agent": "clerk", "on_busy": "enqueue"},
    ]


async def test_a_fork_names_the_last_turn_in_common(api: ScriptedApi, client: OpspawnClient) -> None:
    forked = conversation(id="conversation-2", forked_from={"conversation_id": "conversation-1", "turn": 3})
    api.on("POST", "/conversations/conversation-1/fork", ScriptedResponse(201, forked))

    fork = await client.conversations.fork("conversation-1", 3, agent="clerk")

    assert (fork.id, fork.forked_from and fork.forked_from.turn) == ("conversation-2", 3)
    assert api.requests[0].body == {"from_turn": 3, "agent": "clerk"}


async def test_an_erasure_tells_how_far_it_is(api: ScriptedApi, client: OpspawnClient) -> None:
    erasing = {"id": "conversation-1", "status": "erasing", "memories": 2, "waiting_for_worker": True, "problem": "No."}
    api.on("DELETE", "/conversations/conversation-1", ScriptedResponse(202, erasing))

    deleted = await client.conversations.delete("conversation-1", memories=True)

    assert deleted.model_dump() == erasing
    assert api.requests[0].path == "/api/v1/conversations/conversation-1?memories=true"


async def test_an_id_cant_address_something_else(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("DELETE", "/conversations/a%2F..%3Fb", ScriptedResponse(202, {"id": "a/..?b", "status": "erased"}))

    await client.conversations.delete("a/..?b")

    assert api.requests[0].path == "/api/v1/conversations/a%2F..%3Fb"
