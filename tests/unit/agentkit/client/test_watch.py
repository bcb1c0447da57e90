"""Watching a task over several connections."""

from __future__ import annotations

import pytest

from agentkit.client import ApiUnreachable, ConnectionLost, ConnectionRestored, RequestRefused, TaskEvent, TaskUpdate
from agentkit.client.api_connection import ApiConnection
from agentkit.client.reconnect_deadline import ReconnectDeadline
from agentkit.client.watch import watch
from tests.unit.scripted_api import EVENTS, ScriptedApi, ScriptedResponse, problem, stream

PATH = "/tasks/task-1/events"
DROPPED_CONNECTION = ScriptedResponse(0, None)


async def updates_of(api: ScriptedApi, *, timeout_s: float = 10, after: str | None = None) -> list[TaskUpdate]:
    connection = ApiConnection(api.url)
    updates = [update async for update in watch(connection, PATH, after, ReconnectDeadline(timeout_s))]
    await connection.aclose()
    return updates


def positions(updates: list[TaskUpdate]) -> list[str | None]:
    return [update.position for update in updates if isinstance(update, TaskEvent)]


def breaks(updates: list[TaskUpdate]) -> list[type]:
    return [type(update) for update in updates if not isinstance(update, TaskEvent)]


def last_event_ids(api: ScriptedApi) -> list[str | None]:
    return [request.headers.get("last-event-id") for request in api.requests]


async def test_it_ends_after_the_last_event(api: ScriptedApi) -> None:
    api.on("GET", PATH, stream(*EVENTS))

    updates = await updates_of(api)

    assert positions(updates) == [event.get("id") for event in EVENTS]
    assert len(api.requests) == 1


async def test_a_broken_connection_resumes_after_the_last_durable_event(api: ScriptedApi) -> None:
    api.on("GET", PATH, stream(*EVENTS[:4], cut=True), stream(*EVENTS[4:]))

    updates = await updates_of(api)

    assert last_event_ids(api) == [None, "p3"]
    assert positions(updates) == [event.get("id") for event in EVENTS]
    assert breaks(updates) == [ConnectionLost, ConnectionRestored]


async def test_a_stream_that_the_api_ended_is_resumed_without_a_report(api: ScriptedApi) -> None:
    api.on("GET", PATH, stream(*EVENTS[:6]), stream(*EVENTS[6:]))

    updates = await updates_of(api)

    assert positions(updates) == [event.get("id") for event in EVENTS]
    assert breaks(updates) == []


async def test_several_failures_are_reported_as_one_loss(api: ScriptedApi) -> None:
    api.on("GET", PATH, DROPPED_CONNECTION, DROPPED_CONNECTION, stream(*EVENTS))

    updates = await updates_of(api)

    assert breaks(updates) == [ConnectionLost, ConnectionRestored]
    restored = updates[1]
    assert isinstance(restored, ConnectionRestored)
    assert restored.seconds >= 0.7


async def test_nothing_follows_the_last_position(api: ScriptedApi) -> None:
    api.on("GET", PATH, ScriptedResponse(204, ""))

    assert await updates_of(api, after="p10") == []
    assert last_event_ids(api) == ["p10"]


async def test_it_gives_up_at_the_deadline(api: ScriptedApi) -> None:
    api.on("GET", PATH, DROPPED_CONNECTION)

    with pytest.raises(ApiUnreachable):
        await updates_of(api, timeout_s=0.1)


async def test_a_refused_watch_is_not_retried(api: ScriptedApi) -> None:
    api.on("GET", PATH, problem(404, "Task not found", "no such task"))

    with pytest.raises(RequestRefused):
        await updates_of(api)
    assert len(api.requests) == 1
