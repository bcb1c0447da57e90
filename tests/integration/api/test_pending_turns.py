"""Turns whose message waits: shown, watched and waited for before their task starts."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.api.clerk import problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness
from tests.integration.api.talks import Talks


@pytest.fixture
def talks(harness: ApiHarness) -> Talks:
    """Conversations in the API of a test, with no worker yet."""
    return Talks(harness)


async def test_a_turn_that_no_worker_has_started_is_shown_as_it_was_returned(talks: Talks) -> None:
    conversation = await talks.create(user="ada")
    turn = await talks.send(conversation, "Where to?", status=202)
    shown = await talks.api.task(turn["id"])
    assert shown["created_at"][:16] == turn["created_at"][:16]
    assert {**shown, "created_at": turn["created_at"]} == turn
    assert turn["waiting_for_worker"]


async def test_the_first_turn_is_shown_before_a_worker_starts_it(talks: Talks) -> None:
    conversation = await talks.create(message="Where to?")
    shown = await talks.api.task(conversation["current_task_id"])
    assert (shown["status"], shown["input"]) == ("queued", "Where to?")


async def test_a_large_message_that_waits_is_shown_completely(talks: Talks) -> None:
    text = "x" * 300_000
    turn = await talks.send(await talks.create(), text, status=202)
    assert (await talks.api.task(turn["id"]))["input"] == text


@pytest.mark.parametrize("path", ["", "/events"])
async def test_an_id_that_is_no_message_of_the_conversation_is_a_404(talks: Talks, path: str) -> None:
    conversation = await talks.create()
    response = await talks.api.http.get(f"/api/v1/tasks/{conversation['id']}-4711{path}")
    assert problem_of(response) == (404, "task-not-found")


async def test_the_events_of_a_turn_come_once_it_has_started(talks: Talks) -> None:
    conversation = await talks.create()
    turn = await talks.send(conversation, "Where to?", status=202)
    watching = asyncio.create_task(talks.api.http.get(turn["links"]["events"]))
    waiting = asyncio.create_task(talks.api.task(turn["id"], wait=WITHIN))
    async with talks.worker(), asyncio.timeout(2 * WITHIN):
        events = (await watching).text
        ended = await waiting
    assert ended["status"] == "completed"
    assert events.count("event: task.started") == 1
    assert events.rstrip().splitlines()[-3] == "event: task.completed"
