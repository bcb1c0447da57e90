"""Conversations that no worker has taken yet, over REST: started once for a key, shown and listed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.api.clerk import problem_of
from tests.integration.api.conftest import ApiHarness, eventually
from tests.integration.api.talks import Talks, accepted
from workflows.search_attributes import AGENT, CONVERSATION, STATUS, TAGS

LABELS: dict[str, Any] = {"title": "A trip", "user": "ada", "tags": ["a", "b", "a"], "metadata": {"ticket": "4711"}}


@pytest.fixture
def talks(harness: ApiHarness) -> Talks:
    """Conversations in the API of a test, with no worker yet."""
    return Talks(harness)


async def test_the_response_is_the_conversation_with_its_location(talks: Talks) -> None:
    response = await talks.request("POST", "", agent="assistant", on_busy="enqueue", model="demo:other", **LABELS)
    conversation = accepted(response, 201)
    path = f"/api/v1/conversations/{conversation['id']}"
    assert response.headers["location"] == conversation["links"]["self"] == path
    assert conversation["links"]["turns"] == f"{path}/turns"
    assert conversation["id"].startswith("conversation-")
    assert (conversation["agent"], conversation["model"], conversation["status"]) == ("assistant", "demo:other", "idle")
    assert (conversation["title"], conversation["user"], conversation["on_busy"]) == ("A trip", "ada", "enqueue")
    assert (conversation["tags"], conversation["metadata"]) == (["a", "b"], {"ticket": "4711"})
    assert (conversation["turns"], conversation["current_task_id"], conversation["queued"]) == (0, None, 0)
    assert await talks.get(conversation) == conversation


async def test_a_conversation_has_search_attributes_and_a_summary_in_temporal(talks: Talks) -> None:
    conversation = await talks.create(**LABELS)
    execution = await talks.api.temporal.get_workflow_handle(conversation["id"]).describe()
    attributes = execution.typed_search_attributes
    assert (attributes.get(AGENT), attributes.get(STATUS), attributes.get(TAGS)) == ("assistant", "idle", ["a", "b"])
    assert attributes.get(CONVERSATION) is None
    assert execution.workflow_type == "Conversation"
    assert await execution.static_summary() == "Conversation with assistant: A trip"


async def test_the_title_of_a_conversation_without_one_is_its_first_message(talks: Talks) -> None:
    conversation = await talks.create(message="Where to?\nI mean, today.")
    assert conversation["title"] == "Where to?"


async def test_the_same_key_and_body_return_the_first_conversation(talks: Talks) -> None:
    key = f"conversation {talks.api.settings.task_queue}"
    first = await talks.request("POST", "", key=key, agent="assistant", message="Hi", metadata={"a": "1", "b": "2"})
    again = await talks.request("POST", "", key=key, metadata={"b": "2", "a": "1"}, message="Hi", agent="assistant")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


async def test_the_same_key_with_another_body_is_a_conflict(talks: Talks) -> None:
    key = f"conflict {talks.api.settings.task_queue}"
    await talks.request("POST", "", key=key, agent="assistant", message="one")
    other = await talks.request("POST", "", key=key, agent="assistant", message="two")
    assert problem_of(other) == (409, "idempotency-conflict")


async def test_many_requests_at_once_with_one_key_start_one_conversation(talks: Talks) -> None:
    key = f"once {talks.api.settings.task_queue}"
    requests = [talks.request("POST", "", key=key, agent="assistant", message="once") for _ in range(6)]
    responses = await asyncio.gather(*requests)
    assert sorted(response.status_code for response in responses) == [200] * 5 + [201]
    assert len({response.json()["id"] for response in responses}) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"agent": "nobody"}, "#/agent"),
        ({"model": "nothing"}, "#/model"),
        ({"agent": None}, "#/agent"),
        ({"message": "  "}, "#/message"),
        ({"on_busy": "wait"}, "#/on_busy"),
        ({"idle_expiry": 0}, "#/idle_expiry"),
        ({"typo": 1}, "#/typo"),
    ],
    ids=["agent", "model", "no-agent", "blank", "on-busy", "expiry", "unknown"],
)
async def test_what_is_wrong_with_a_new_conversation_is_named(talks: Talks, body: dict[str, Any], pointer: str) -> None:
    response = await talks.request("POST", "", **{"agent": "assistant", **body})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_a_list_has_the_conversations_that_fit_and_no_tasks(talks: Talks) -> None:
    tag = talks.api.settings.task_queue
    created = [(await talks.create(tags=[tag], **body))["id"] for body in ({}, {"message": "Hi"}, {"title": "x"})]
    await talks.api.submit(tags=[tag])

    async def listed(**filters: Any) -> dict[str, Any]:
        return await talks.api.get("/conversations", tag=tag, **filters)

    page = await eventually(listed, lambda page: bool(page["total"] == 3))
    assert {conversation["id"] for conversation in page["conversations"]} == {*created}
    first = await listed(limit=2)
    rest = await listed(limit=2, cursor=first["next_cursor"])
    assert [*first["conversations"], *rest["conversations"]] == page["conversations"]
    assert rest["next_cursor"] is None
    running = await listed(status="running")
    assert [conversation["id"] for conversation in running["conversations"]] == [created[1]]
    assert (await listed(agent="nobody"))["total"] == 0
    tasks = await talks.api.listed(1, tag=tag)
    assert created[0] not in {task["id"] for task in tasks["tasks"]}


@pytest.mark.parametrize("path", ["", "/turns", "/transcript"])
async def test_an_unknown_conversation_is_a_404(talks: Talks, path: str) -> None:
    task_id = await talks.api.submit()
    for unknown in ("conversation-4711", task_id):
        assert problem_of(await talks.request("GET", f"/{unknown}{path}")) == (404, "conversation-not-found")


async def test_a_conversation_is_no_task(talks: Talks) -> None:
    conversation = await talks.create()
    for path in ("", "/events", "/transcript", "/tool-calls", "/files"):
        response = await talks.api.http.get(f"/api/v1/tasks/{conversation['id']}{path}")
        assert problem_of(response) == (404, "task-not-found"), path


@pytest.mark.parametrize("path", ["/turns", "/transcript"])
async def test_what_only_a_worker_can_read_says_so(talks: Talks, path: str) -> None:
    conversation = await talks.create()
    assert problem_of(await talks.request("GET", f"/{conversation['id']}{path}")) == (503, "workers-silent")
