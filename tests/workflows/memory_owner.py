"""A process that serves an embedded memory: ``python -m tests.workflows.memory_owner ADDRESS DATA_DIR TASK_QUEUE``.

It prints ``started`` when it owns the memory, or waits for it. Its embedding model is one of words alone.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from temporalio.client import Client

from activities.memory.memory_worker import serving_app_memory
from activities.settings import Settings
from activities.storage.transcript_cache import TranscriptCache
from activities.temporal.data_converter import data_converter
from agentkit.interfaces import LongTermMemory, NoSecrets
from agentkit.memory.embedded_memory import open_embedded_memory
from agentkit.testing import WordEmbedder


async def open_memory(_: Settings, directory: Path) -> LongTermMemory:
    """Open the memory of the directory."""
    return open_embedded_memory(directory, WordEmbedder())


async def main(address: str, directory: str, task_queue: str) -> None:
    """Serve it until the process is killed."""
    settings = Settings(data_dir=Path(directory), task_queue=task_queue)
    client = await Client.connect(address, data_converter=data_converter(settings))
    async with serving_app_memory(client, settings, {}, TranscriptCache(1_000_000), NoSecrets(), open_memory):
        sys.stdout.write("started\n")
        sys.stdout.flush()
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
