"""Deleting conversations: they and their turns are gone, and nothing else is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.api.clerk import problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.gated_model import GatedModel
from tests.integration.api.talks import Talks, accepted


@pytest.fixture
def talks(harness: ApiHarness) -> Talks:
    """Conversations in the API of a test, with no worker yet."""
    return Talks(harness)


async def delete(talks: Talks, conversation: dict[str, Any]) -> None:
    """Delete a conversation; it is gone then."""
    deleted = accepted(await talks.request("DELETE", f"/{conversation['id']}"), 202)
    assert (deleted["id"], deleted["status"], deleted["current_task_id"]) == (conversation["id"], "deleted", None)
    gone = await talks.request("GET", f"/{conversation['id']}")
    assert problem_of(gone) == (410, "conversation-erased")


async def test_a_conversation_that_no_worker_has_taken_is_deleted(talks: Talks) -> None:
    conversation, other = await talks.create(message="Hi"), await talks.create()
    await delete(talks, conversation)
    again = await talks.request("DELETE", f"/{conversation['id']}")
    assert problem_of(again) == (410, "conversation-erased")
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
    assert (deleted["status"], deleted["current_task_id"], deleted["queued"]) == ("deleted", None, 0)
    assert turn in ("cancelled", "gone")
    assert await status_of(talks, f"/conversations{path}") == "gone"
    assert problem_of(refused) == problem_of(again) == (410, "conversation-erased")


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
