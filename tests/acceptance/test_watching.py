"""A stream of events outlives Temporal: it is silent while Temporal is away, and then continues without a gap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.conftest import Stack, eventually
from tests.acceptance.test_survival import SUM, gate

pytestmark = pytest.mark.acceptance

Event = tuple[str, dict[str, Any]]
"""Position and data of a durable event."""


async def durable_events(stack: Stack, task_id: str) -> AsyncIterator[Event]:
    """Yield a task's durable events, to the end of its stream."""
    async with stack.client() as client, client.stream("GET", f"/api/v1/tasks/{task_id}/events") as response:
        assert response.status_code == 200
        position = ""
        async for line in response.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "id":
                position = value
            elif field == "data" and position:
                yield position, json.loads(value)
            elif not line:
                position = ""


async def test_a_stream_outlives_a_kill_of_temporal(own_temporal_stack: Stack, tmp_path: Path) -> None:
    stack = own_temporal_stack
    task_id = await stack.submit(f"{SUM}\n{gate(tmp_path)}\nsay through")
    stream = durable_events(stack, task_id)
    before: list[Event] = []
    async with asyncio.timeout(30):  # the stream has to be open before Temporal dies: later it would be refused
        while not before or before[-1][1].get("call", {}).get("name") != "gate":
            before.append(await anext(stream))
    stack.kill("temporal")

    async def refused() -> bool:
        async with stack.client() as client:
            try:
                return (await client.get(f"/api/v1/tasks/{task_id}/events")).status_code == 503
            except httpx2.TransportError:
                return False

    await eventually(refused, "new watchers get 503 while Temporal is away")
    (tmp_path / "open").touch()
    stack.start_temporal()
    await stack.wait_until_ready()
    async with asyncio.timeout(60):
        after = [event async for event in stream]
    async with asyncio.timeout(60):
        all_events = [event async for event in durable_events(stack, task_id)]
    assert before + after == all_events
    assert all_events[-1][1]["type"] == "task.completed"
