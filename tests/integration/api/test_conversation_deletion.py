"""Deleting conversations: they and their turns are gone, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.clerk import problem_of
from tests.integration.api.conftest import ApiHarness, eventually
from tests.integration.api.talks import Talks, accepted


@pytest.fixture
def talks(harness: ApiHarness) -> Talks:
    """Conversations in the API of a test, with no worker yet."""
    return Talks(harness)


async def delete(talks: Talks, conversation: dict[str, Any]) -> None:
    """Delete a conversation; return when it is gone."""
    deleted = accepted(await talks.request("DELETE", f"/{conversation['id']}"), 202)
    assert (deleted["id"], deleted["status"], deleted["current_task_id"]) == (conversation["id"], "deleted", None)

    async def status() -> int:
        return (await talks.request("GET", f"/{conversation['id']}")).status_code

    await eventually(status, lambda code: code == 404)


async def test_a_conversation_that_no_worker_has_taken_is_deleted(talks: Talks) -> None:
    conversation, other = await talks.create(message="Hi"), await talks.create()
    await delete(talks, conversation)
    again = await talks.request("DELETE", f"/{conversation['id']}")
    assert problem_of(again) == (404, "conversation-not-found")
    assert (await talks.get(other))["status"] == "idle"
