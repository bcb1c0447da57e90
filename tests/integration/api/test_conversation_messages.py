"""Messages to conversations over REST: turns, what is queued or delivered, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.clerk import problem_of
from tests.integration.api.conftest import ApiHarness
from tests.integration.api.talks import Talks


@pytest.fixture
def talks(harness: ApiHarness) -> Talks:
    """Conversations in the API of a test, with no worker yet."""
    return Talks(harness)


async def test_without_a_worker_the_message_is_kept_and_its_turn_has_an_id(talks: Talks) -> None:
    conversation = await talks.create(user="ada", tags=["a"], metadata={"ticket": "1"})
    turn = await talks.send(conversation, "Where to?", status=202, metadata={"row": "2"})
    assert turn["id"].startswith(f"{conversation['id']}-")
    assert (turn["status"], turn["input"], turn["title"]) == ("queued", "Where to?", "Where to?")
    assert (turn["conversation_id"], turn["parent_id"], turn["user"]) == (conversation["id"], None, "ada")
    assert (turn["tags"], turn["metadata"]) == (["a"], {"ticket": "1", "row": "2"})


async def test_without_a_worker_a_message_beside_the_first_one_is_refused(talks: Talks) -> None:
    conversation = await talks.create(message="Hi")
    path = f"/{conversation['id']}/messages"
    refused = await talks.request("POST", path, input="And?")
    assert problem_of(refused) == (409, "conversation-busy")
    assert conversation["current_task_id"] in refused.json()["detail"]
    await talks.send(conversation, "And?", status=202, on_busy="enqueue")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"agent": "nobody"}, "#/agent"),
        ({"model": "nothing"}, "#/model"),
        ({"limits": {"max_steps": 0}}, "#/limits/max_steps"),
        ({"output_schema": {"type": "nothing"}}, "#/output_schema"),
        ({"input": [{"type": "text", "text": ""}]}, "#/input"),
        ({"input": [{"type": "image"}]}, "#/input/0"),
    ],
    ids=["agent", "model", "limits", "schema", "blank", "image"],
)
async def test_what_is_wrong_with_a_message_is_named(talks: Talks, body: dict[str, Any], pointer: str) -> None:
    conversation = await talks.create()
    response = await talks.request("POST", f"/{conversation['id']}/messages", **{"input": "Hi", **body})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_a_message_to_an_unknown_conversation_is_a_404(talks: Talks) -> None:
    response = await talks.request("POST", "/conversation-4711/messages", input="Hi")
    assert problem_of(response) == (404, "conversation-not-found")
