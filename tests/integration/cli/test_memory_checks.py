"""The doctor's look at the workers that serve long-term memory, on a real Temporal."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from activities.memory.memory_queries import MemoryQueryActivities
from activities.settings import Settings
from activities.temporal.client import connect
from agentkit.errors import MemoryMisconfigured
from agentkit.interfaces import Memory, MemoryScope, memory_task_queue
from agentkit.testing import InMemoryMemory
from cli.doctor.finding import Finding
from cli.doctor.memory_checks import served_memory_findings


class OtherModelMemory(InMemoryMemory):
    """Refuses as a memory does whose vectors are of another model."""

    async def recall(self, scope: MemoryScope, query: str, *, limit: int) -> Sequence[Memory]:
        raise MemoryMisconfigured("The vectors are of another model: opspawn memory reindex")


async def found(client: Client, queue: str, agents: list[str]) -> Finding:
    (finding,) = await served_memory_findings(client, Settings(), queue, "start-a-worker", agents)
    return finding


async def served(client: Client, queue: str, agents: list[str], memory: InMemoryMemory) -> Finding:
    """Return the finding as soon as Temporal lists the worker."""
    activities = MemoryQueryActivities(memory).all
    async with Worker(client, task_queue=memory_task_queue(queue), activities=activities), asyncio.timeout(60):
        while "none polls" in (finding := await found(client, queue, agents)).detail:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.05)
    return finding


async def test_workers_of_memory_are_found_and_asked(temporal_port: int, tmp_path: Path) -> None:
    client = await connect(Settings(app_dir=tmp_path), address=f"127.0.0.1:{temporal_port}")
    queue = f"memory-{uuid.uuid4().hex}"

    nobody = await found(client, queue, ["assistant"])
    assert (nobody.status, nobody.remedies) == ("missing", ("start-a-worker",))
    assert f"none polls task queue '{queue}-memory'" in nobody.detail
    assert (await found(client, queue, [])).status == "note"

    polled = await served(client, queue, ["assistant"], InMemoryMemory())
    assert polled.status == "ok"
    assert polled.detail.endswith(f"on task queue '{queue}-memory'; a search succeeded")


async def test_a_search_that_fails_is_reported_with_its_cure(temporal_port: int, tmp_path: Path) -> None:
    client = await connect(Settings(app_dir=tmp_path), address=f"127.0.0.1:{temporal_port}")
    refused = await served(client, f"memory-{uuid.uuid4().hex}", ["assistant"], OtherModelMemory())
    assert refused.status == "missing"
    assert refused.detail == "a search failed: The vectors are of another model: opspawn memory reindex"


async def test_without_agents_that_use_it_no_model_is_loaded_by_a_search(temporal_port: int, tmp_path: Path) -> None:
    client = await connect(Settings(app_dir=tmp_path), address=f"127.0.0.1:{temporal_port}")
    unused = await served(client, f"memory-{uuid.uuid4().hex}", [], OtherModelMemory())
    assert unused.status == "ok"
    assert "search" not in unused.detail


async def test_a_memory_that_is_off_has_no_workers(temporal_port: int) -> None:
    client = await Client.connect(f"127.0.0.1:{temporal_port}")
    assert await served_memory_findings(client, Settings(ltm_provider="off"), "queue", "start", []) == []
