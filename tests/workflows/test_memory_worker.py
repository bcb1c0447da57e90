"""The workers of long-term memory: one process owns an embedded memory, and another takes it over when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from activities.memory import memory_worker
from activities.memory.memory_queries import ScopedMemory
from activities.memory.memory_worker import build_memory_worker, serving_app_memory, serving_memory
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.task_queue_pollers import recent_pollers
from agentkit.interfaces import LongTermMemory, Model, NewMemory, NoSecrets
from agentkit.testing import InMemoryMemory, ScriptedModel
from api.memories.worker_memory import WorkerMemory
from tests.polling import eventually_found
from tests.workflows.memory_workers import ADA

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from temporalio.worker import Worker

    from activities.settings import Settings
    from tests.workflows.conftest import TaskEnvironment

TAKEOVER_LIMIT_S = 5.0
WORDS = ["tea", "chess", "Rome", "cats", "trains", "bread", "rain", "maps", "jazz", "kites"]


@asynccontextmanager
async def owner_process(env: TaskEnvironment) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process that serves the environment's memory, or waits until it may."""
    arguments = [env.client.service_client.config.target_host, str(env.settings.data_dir), env.settings.task_queue]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.workflows.memory_owner", *arguments), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"started\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def fact(number: int) -> str:
    return f"Fact {number}: Ada thinks of {WORDS[number % 10]} and {number * 7919} other things."


async def test_when_the_owner_is_killed_in_mid_write_another_takes_over_and_nothing_is_lost_or_doubled(
    env: TaskEnvironment,
) -> None:
    memory, numbers, acknowledged = WorkerMemory(env.client, env.settings), itertools.count(), set[str]()
    is_stopping = asyncio.Event()

    async def write() -> None:
        while not is_stopping.is_set():
            text = fact(next(numbers))
            await memory.add([ScopedMemory(scope=ADA, memory=NewMemory(text=text, key=text))])
            acknowledged.add(text)

    async with owner_process(env) as owner, owner_process(env):
        await memory.add([ScopedMemory(scope=ADA, memory=NewMemory(text="Ada likes tea.", key="tea"))])
        writers = [asyncio.create_task(write()) for _ in range(4)]
        async with asyncio.timeout(30):
            while len(acknowledged) < 20:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.01)
        owner.kill()
        killed_at = time.monotonic()
        found = await memory.search(ADA, "Does Ada like tea?", limit=3)
        took = time.monotonic() - killed_at
        is_stopping.set()
        await asyncio.wait_for(asyncio.gather(*writers), 60)
        stored = [each.text async for part in memory.export_parts(ADA, await memory.export(ADA)) for each in part]
    assert "Ada likes tea." in [each.text for each in found]
    assert took < TAKEOVER_LIMIT_S
    assert len(stored) == len(set(stored))
    assert acknowledged | {"Ada likes tea."} <= set(stored)


async def test_only_the_owner_serves_an_embedded_memory_and_it_closes_it_before_the_next_one(
    env: TaskEnvironment,
) -> None:
    opened: list[str] = []

    async def open_as(name: str, settings: Settings, directory: Path) -> LongTermMemory:
        opened.append(name)
        return InMemoryMemory()

    models: dict[str, Model] = {}
    parts = (env.client, env.settings, models, TranscriptCache(1_000_000), NoSecrets())
    memory = WorkerMemory(env.client, env.settings)
    async with env.worker(ScriptedModel([])), contextlib.AsyncExitStack() as second:
        await eventually_found(partial(recent_pollers, env.client, env.settings.task_queue))
        async with serving_app_memory(*parts, partial(open_as, "first")):
            await second.enter_async_context(serving_app_memory(*parts, partial(open_as, "second")))
            for _ in range(5):
                await memory.search(ADA, "tea", limit=1)
            assert opened == ["first"]
        await memory.search(ADA, "tea", limit=1)
        assert opened == ["first", "second"]


async def test_memory_that_is_off_is_not_served(env: TaskEnvironment) -> None:
    settings = env.settings.model_copy(update={"ltm_provider": "off"})

    async def open_nothing(settings: Settings, directory: Path) -> LongTermMemory:
        raise AssertionError("it is off")

    async with serving_app_memory(env.client, settings, {}, TranscriptCache(1_000_000), NoSecrets(), open_nothing):
        assert not settings.memory_dir.exists()


async def test_memory_that_could_not_be_served_is_served_later_and_holds_nothing_up(
    env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_worker, "_RETRY_INTERVAL_S", 0.05)
    failures, memory = iter([OSError("No space left on device")]), InMemoryMemory()
    reader = TranscriptReader(env.client, TranscriptCache(1_000_000))

    def build() -> Worker:
        for error in failures:
            raise error
        return build_memory_worker(env.client, env.settings, memory, reader, {})

    async with serving_memory(memory, build), env.worker(ScriptedModel([])):  # whose presence lets the request wait
        await eventually_found(partial(recent_pollers, env.client, env.settings.task_queue))
        assert await WorkerMemory(env.client, env.settings).search(ADA, "tea", limit=1) == ()
