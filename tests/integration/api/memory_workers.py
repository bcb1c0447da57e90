"""Workers that serve a memory without files, for the tests of the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from activities.memory.memory_worker import build_memory_worker, serving_memory
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from agentkit.interfaces import LongTermMemory
from tests.integration.api.conftest import ApiHarness


@asynccontextmanager
async def serving(harness: ApiHarness, memory: LongTermMemory) -> AsyncIterator[None]:
    """Run a worker of tasks and one of memory, and wait until Temporal lists the first."""
    reader = TranscriptReader(harness.temporal, TranscriptCache(1_000_000))
    build = partial(build_memory_worker, harness.temporal, harness.settings, memory, reader, {})
    async with serving_memory(memory, build), harness.worker(["done"] * 5):
        async with asyncio.timeout(20):
            while (await harness.http.get("/readyz")).status_code != 200:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.05)
        yield
