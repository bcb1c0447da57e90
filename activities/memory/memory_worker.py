"""The second worker of a process, which polls the task queue of long-term memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Plugin, Worker

from activities import retry_policies
from activities.memory.memory_extracting import MemoryExtractionActivity
from activities.memory.memory_queries import MemoryQueryActivities
from activities.memory.memory_recall import MemoryRecallActivity
from activities.memory.owner_lock import OwnerLock
from activities.settings import Settings
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.versions.deployment_version import UNVERSIONED
from activities.temporal.worker_identity import own_identity
from activities.tool import ToolActivities
from agentkit.interfaces import LongTermMemory, Model, Secrets, memory_task_queue
from agentkit.runtime.lazy_memory import LazyMemory
from agentkit.tools import ToolRegistry
from agentkit.tools.builtin.memory_tools import memory_tools

__all__ = ["Plugins", "build_memory_worker", "serving_app_memory", "serving_memory"]

logger = logging.getLogger("opspawn.memory")

Plugins = Callable[[Client, Settings, Secrets | None], Sequence[Plugin]]
"""Returns the plugins of a worker, such as those of telemetry."""

_LOCK_FILE = "owner.lock"
_RETRY_INTERVAL_S = 2.0


def build_memory_worker(
    client: Client,
    settings: Settings,
    memory: LongTermMemory,
    reader: TranscriptReader,
    models: Mapping[str, Model],
    secrets: Secrets | None = None,
    plugins: Plugins | None = None,
) -> Worker:
    """Return a worker for memory's activities and tools, which isn't started."""
    tools = ToolActivities(ToolRegistry(memory_tools(memory)), None, str(own_identity(settings)), secrets, client)
    return Worker(
        client,
        task_queue=memory_task_queue(settings.task_queue),
        identity=str(own_identity(settings)),
        activities=[
            tools.call_tool,
            *MemoryQueryActivities(memory).all,
            MemoryRecallActivity(memory, reader).recall_memories,
            MemoryExtractionActivity(memory, reader, models).extract_memories,
        ],
        plugins=plugins(client, settings, secrets) if plugins else (),
        deployment_config=UNVERSIONED,
        max_heartbeat_throttle_interval=retry_policies.HEARTBEAT_INTERVAL,
        graceful_shutdown_timeout=settings.graceful_shutdown_timeout,
        max_concurrent_activities=retry_policies.MAX_CONCURRENT_MEMORY_ACTIVITIES,
    )


def serving_app_memory(
    client: Client,
    settings: Settings,
    models: Mapping[str, Model],
    cache: TranscriptCache,
    secrets: Secrets,
    open_memory: Callable[[Settings, Path], Awaitable[LongTermMemory]],
    plugins: Plugins | None = None,
) -> AbstractAsyncContextManager[None]:
    """Run the memory worker while the context is entered, unless memory is off; the first call opens the memory.

    Only the process that holds its lock serves an embedded memory; all processes serve a memory on a server.
    """
    if settings.memory_store == "off":
        return nullcontext()
    memory = LazyMemory(partial(open_memory, settings, settings.memory_dir))
    reader = TranscriptReader(client, cache)
    build = partial(build_memory_worker, client, settings, memory, reader, models, secrets, plugins)
    lock = OwnerLock(settings.memory_dir / _LOCK_FILE) if settings.memory_store == "embedded" else None
    return serving_memory(memory, build, lock)


@asynccontextmanager
async def serving_memory(
    memory: LongTermMemory, build: Callable[[], Worker], lock: OwnerLock | None = None
) -> AsyncIterator[None]:
    """Run the worker that ``build`` returns: at once or, with a lock, as soon as this process holds it.

    If the lock is free, it is taken before the context is entered. ``memory`` is closed before the lock is released.
    """
    is_decided = asyncio.Event()
    serving = asyncio.create_task(_serve(memory, build, lock, is_decided))
    try:
        await is_decided.wait()
        yield
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _serve(
    memory: LongTermMemory, build: Callable[[], Worker], lock: OwnerLock | None, is_decided: asyncio.Event
) -> None:
    while True:
        try:
            if lock is not None and not lock.acquire():
                is_decided.set()
            async with _locked(lock):
                try:
                    async with build() as worker:
                        is_decided.set()
                        logger.info("Serving long-term memory on task queue %s", worker.task_queue)
                        await asyncio.Future()  # until cancelled
                finally:
                    await memory.aclose()
        except Exception as error:  # of any kind: the worker of tasks must go on
            is_decided.set()
            logger.error("Long-term memory can't be served now: %s", error)
            logger.debug("The cause", exc_info=True)
        await asyncio.sleep(_RETRY_INTERVAL_S)


def _locked(lock: OwnerLock | None) -> AbstractAsyncContextManager[object]:
    return nullcontext() if lock is None else lock
