"""Deleting conversations: they and their turns are gone, and nothing else is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from activities.erasure_payloads import ErasureRequest
from activities.temporal.payload_storage import payload_directory
from agentkit.interfaces import MemoryScope, NewMemory
from agentkit.testing import InMemoryMemory
from tests.integration.api.clerk import problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.gated_model import GatedModel
from tests.integration.api.memory_workers import serving
from tests.integration.api.talks import Talks, accepted


@pytest.fixture
def talks(harness: ApiHarness) -> Talks:
    """Conversations in the API of a test, with no worker yet."""
    return Talks(harness)


async def delete(talks: Talks, conversation: dict[str, Any]) -> None:
    """Delete a conversation; it is gone then."""
    deleted = accepted(await talks.request("DELETE", f"/{conversation['id']}"), 202)
    assert (deleted["id"], deleted["status"], deleted["problem"]) == (conversation["id"], "erasing", None)
    gone = await talks.request("GET", f"/{conversation['id']}")
    assert problem_of(gone) == (410, "conversation-erased")


async def test_a_conversation_that_no_worker_has_taken_is_deleted(talks: Talks) -> None:
    conversation, other = await talks.create(message="Hi"), await talks.create()
    await delete(talks, conversation)
    again = accepted(await talks.request("DELETE", f"/{conversation['id']}"), 202)
    assert (again["status"], again["waiting_for_worker"]) == ("erasing", True)
    assert (await talks.get(other))["status"] == "idle"


async def test_the_key_of_a_deleted_conversation_starts_no_other(talks: Talks) -> None:
    key = f"deleted {talks.api.settings.task_queue}"
    async with talks.worker():
        conversation = accepted(await talks.request("POST", "", key=key, agent="assistant"), 201)
        accepted(await talks.request("DELETE", f"/{conversation['id']}"), 202)
        again = await talks.request("POST", "", key=key, agent="assistant")
    assert problem_of(again) == (410, "conversation-erased")
    assert "Take a new key" in again.json()["detail"]


async def status_of(talks: Talks, path: str) -> str:
    """Return the status of what is at a path; ``gone`` where nothing is."""
    response = await talks.api.http.get(f"/api/v1{path}")
    return "gone" if response.status_code in (404, 410) else str(response.json()["status"])


async def test_a_running_turn_is_cancelled_and_its_conversation_takes_no_more_messages(talks: Talks) -> None:
    model = GatedModel()
    async with talks.worker(model):
        conversation, other = await talks.create(message="One"), await talks.create()
        path = f"/{conversation['id']}"
        await asyncio.wait_for(model.requested.wait(), WITHIN)
        deleted = accepted(await talks.request("DELETE", path), 202)
        turn = await status_of(talks, f"/tasks/{conversation['current_task_id']}")
        refused = await talks.request("POST", f"{path}/messages", input="Two")
        again = await talks.request("DELETE", path)
        model.released.set()
        await talks.say(other, "Three")
    assert deleted["status"] in ("erasing", "erased")
    assert turn in ("cancelled", "gone")
    assert await status_of(talks, f"/conversations{path}") == "gone"
    assert problem_of(refused) == (410, "conversation-erased")
    assert accepted(again, 202)["id"] == conversation["id"]


async def test_ended_turns_are_deleted_with_their_conversation_and_others_stay(talks: Talks) -> None:
    async with talks.worker():
        conversation, other = await talks.create(), await talks.create()
        turns = [await talks.say(conversation, text) for text in ("One", "Two")]
        kept = await talks.say(other, "Three")
        await talks.api.listed(2, conversation_id=conversation["id"])
        await delete(talks, conversation)

        async def statuses() -> list[str]:
            return [await status_of(talks, f"/tasks/{turn['id']}") for turn in [*turns, kept]]

        await eventually(statuses, lambda shown: shown == ["gone", "gone", "completed"])
        assert await talks.texts(other) == ["Three", "Three"]


async def test_memories_of_all_its_turns_are_erased_by_choice_and_once_more_at_the_end(harness: ApiHarness) -> None:
    memory, talks = InMemoryMemory(), Talks(harness)
    scope = MemoryScope(kind="user", owner="ada")
    async with serving(harness, memory):
        conversation = await talks.create()
        turns = [(await talks.say(conversation, text))["id"] for text in ("One", "Two")]
        for number, task_id in enumerate([*turns, "task-other", None]):
            await memory.remember(scope, NewMemory(text=f"Fact {number}", key=str(number), task_id=task_id))
        path = f"/api/v1/conversations/{conversation['id']}"
        erased = [(await harness.http.delete(path, params={"memories": True})).json()["memories"] for _ in range(2)]
    assert erased == [2, 0]
    assert {each.text for each in (await memory.list(scope, limit=10)).memories} == {"Fact 2", "Fact 3"}
    [started] = [
        event.workflow_execution_started_event_attributes
        async for event in harness.temporal.get_workflow_handle(conversation["id"]).fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    ]
    [request] = await harness.temporal.data_converter.decode(started.input.payloads, [ErasureRequest])
    assert request.memories


async def test_where_memories_of_a_conversation_cannot_be_erased_nothing_is(talks: Talks) -> None:
    conversation = await talks.create(message="Hi")
    path = f"/api/v1/conversations/{conversation['id']}"
    refused = await talks.api.http.delete(path, params={"memories": True})
    assert problem_of(refused) == (503, "memory-not-served")
    assert (await talks.get(conversation))["status"] == "running"


async def test_why_it_does_not_get_on_is_shown_by_each_request(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create()
        await talks.say(conversation, "One")
        payloads = talks.api.settings.data_dir / "payloads"
        own = payloads / payload_directory(talks.api.temporal.namespace, conversation["id"])
        own.parent.mkdir(parents=True, exist_ok=True)
        kept = payloads / "kept"
        if own.exists():
            own.rename(kept)
        kept.mkdir(exist_ok=True)
        own.symlink_to(kept)  # rmtree refuses that

        async def again() -> dict[str, Any]:
            return accepted(await talks.request("DELETE", f"/{conversation['id']}"), 202)

        failing = await eventually(again, lambda shown: shown["problem"] is not None)
        gone = (await talks.request("GET", f"/{conversation['id']}")).json()["detail"]
    assert failing["problem"].startswith(f"{own} can't be erased")
    assert gone == f"Conversation '{conversation['id']}' was erased. Not all of it is gone yet: {failing['problem']}"
