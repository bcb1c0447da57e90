"""Delete the stored payloads of workflows that Temporal has deleted, after their retention or by a person."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.erasure_payloads import ERASURE_TYPES
from activities.settings import Settings
from activities.temporal.payload_storage import NO_OWNER, OWNER_FILE, PARTIAL_PREFIX
from activities.temporal.task_file_collector import TaskFileCollector

__all__ = ["PayloadCollector", "collect_at_intervals", "collecting_payloads"]

logger = logging.getLogger("opspawn.payloads")

_MIN_AGE_S = 3600.0
"""Payloads that were stored more lately stay: the start of their workflow may be under way."""
_INTERVAL_S = 3600.0
_FIRST_AFTER_S = 60.0
"""The first time comes soon: the worker may have been away while tasks were erased."""
_PAUSE_S = 0.05
"""Between two questions to Temporal, so that a large directory takes little of it."""
_RPC_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _StoredWorkflow:
    """A workflow's directory of payloads."""

    directory: Path
    workflow_id: str


class PayloadCollector:
    """Deletes the directories of workflows that were erased or that Temporal doesn't have, the results of activities
    without a workflow, and what killed processes left half written.
    """

    def __init__(self, client: Client, directory: Path, *, min_age_s: float = _MIN_AGE_S, pause_s: float = _PAUSE_S):
        self._client = client
        self._directory = directory
        self._min_age_s = min_age_s
        self._pause_s = pause_s

    async def collect(self) -> int:
        """Look through all payloads once; return how many directories were deleted.

        Raises:
            RPCError: Temporal refuses or doesn't respond.
        """
        await asyncio.to_thread(self._delete_partial_files)
        await asyncio.to_thread(self._delete_old_files, f"{NO_OWNER}/*")
        count = 0
        for stored in await asyncio.to_thread(lambda: list(self._unused_for_long())):
            if not await self._exists(stored.workflow_id):
                await asyncio.to_thread(shutil.rmtree, stored.directory, ignore_errors=True)
                count += 1
            await asyncio.sleep(self._pause_s)
        return count

    def _unused_for_long(self) -> Iterator[_StoredWorkflow]:
        oldest = time.time() - self._min_age_s
        for path in self._directory.glob(f"*/*/{OWNER_FILE}"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                owner = json.loads(path.read_bytes())
                newest = max(file.stat().st_mtime for file in path.parent.iterdir())
                if owner["namespace"] == self._client.namespace and newest <= oldest:
                    yield _StoredWorkflow(path.parent, str(owner["workflow_id"]))

    def _delete_partial_files(self) -> None:
        self._delete_old_files(f"*/*/{PARTIAL_PREFIX}*")

    def _delete_old_files(self, pattern: str) -> None:
        oldest = time.time() - self._min_age_s
        for path in self._directory.glob(pattern):
            with suppress(OSError):
                if path.stat().st_mtime <= oldest:
                    path.unlink()

    async def _exists(self, workflow_id: str) -> bool:
        try:
            execution = await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return execution.workflow_type not in ERASURE_TYPES


@asynccontextmanager
async def collecting_payloads(client: Client, settings: Settings) -> AsyncIterator[None]:
    """Delete files of tasks that were erased or ended long ago, in the background, and stored payloads that no workflow
    uses if ``settings.collect_payloads`` is set.
    """
    directory = settings.data_dir / "payloads"
    files = TaskFileCollector(client, directory, keep_s=settings.task_files_keep)
    running = [
        asyncio.create_task(
            collect_at_intervals(files.collect, "the files of %d tasks that were erased or ended long ago")
        )
    ]
    if settings.collect_payloads:
        payloads = PayloadCollector(client, directory)
        what = "the payloads of %d tasks that Temporal no longer has"
        running.append(asyncio.create_task(collect_at_intervals(payloads.collect, what)))
    try:
        yield
    finally:
        for task in running:
            task.cancel()


async def collect_at_intervals(
    collect: Callable[[], Awaitable[int]], what: str, interval_s: float = _INTERVAL_S
) -> None:
    """Collect until cancelled; ``what`` describes in the log what was deleted, with a place for the number."""
    delay_s = min(_FIRST_AFTER_S, interval_s)
    while True:
        await asyncio.sleep(delay_s)
        delay_s = interval_s
        try:
            if count := await collect():
                logger.info("Deleted %s", what % count)
        except RPCError as error:
            logger.warning("Can't look for what to delete: %s", error.message)
