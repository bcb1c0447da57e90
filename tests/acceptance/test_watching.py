"""A stream of events outlives Temporal: it is silent while Temporal is away, and then goes on without a gap."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.conftest import Stack, eventually
from tests.acceptance.test_survival import SUM, gate

pytestmark = pytest.mark.acceptance


async def ids(stack: Stack, task_id: str, seen: list[str]) -> None:
    """Read a stream to its end; note each event's type and id."""
    async with stack.client() as client, client.stream("GET", f"/api/v1/tasks/{task_id}/events") as response:
        assert response.status_code == 200
        kind = ""
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            kind = value if name == "event" else kind
            if name == "id":
                seen.append(f"{kind} {value}")


async def test_a_stream_outlives_a_kill_of_temporal(own_temporal_stack: Stack, tmp_path: Path) -> None:
    stack = own_temporal_stack
    seen: list[str] = []
    again: list[str] = []
    task_id = await stack.submit(f"{SUM}\n{gate(tmp_path)}\nsay through")
    reading = asyncio.create_task(ids(stack, task_id, seen))
    await stack.runs_activity(task_id, "tool.gate")
    stack.kill("temporal")

    async def refused() -> bool:
        async with stack.client() as client:
            try:
                return (await client.get(f"/api/v1/tasks/{task_id}/events")).status_code == 503
            except httpx2.TransportError:
                return False

    await eventually(refused, "new watchers are told that Temporal is away")
    (tmp_path / "open").touch()
    stack.start_temporal()
    await stack.ready()
    await asyncio.wait_for(reading, 60)
    await asyncio.wait_for(ids(stack, task_id, again), 60)
    assert seen == again
    assert seen[-1].startswith("task.completed")
