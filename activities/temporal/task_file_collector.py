"""Delete the files of tasks that ended long ago."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.payload_storage import FILES_DIRECTORY, OWNER_FILE

__all__ = ["TaskFileCollector"]

_PAUSE_S = 0.05
_RPC_TIMEOUT = timedelta(seconds=5)


class TaskFileCollector:
    """Deletes the files of ended tasks that have not changed for a while; the tasks' other payloads stay."""

    def __init__(self, client: Client, directory: Path, *, keep_s: float) -> None:
        """Look below ``directory``, which has the payloads of all tasks."""
        self._client = client
        self._directory = directory
        self._keep_s = keep_s

    async def collect(self) -> int:
        """Delete the files that are due, of all tasks; return the number of tasks that had some.

        Raises:
            RPCError: Temporal refuses or doesn't respond.
        """
        count = 0
        for files, task_id in await asyncio.to_thread(lambda: list(self._unchanged_for_long())):
            if await self._has_ended(task_id):
                await asyncio.to_thread(shutil.rmtree, files, ignore_errors=True)
                count += 1
            await asyncio.sleep(_PAUSE_S)
        return count

    def _unchanged_for_long(self) -> Iterator[tuple[Path, str]]:
        oldest = time.time() - self._keep_s
        for files in self._directory.glob(f"*/*/{FILES_DIRECTORY}"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                owner = json.loads((files.parent / OWNER_FILE).read_bytes())
                if owner["namespace"] == self._client.namespace and files.stat().st_mtime <= oldest:
                    yield files, str(owner["workflow_id"])

    async def _has_ended(self, task_id: str) -> bool:
        """Return whether Temporal has the task as ended. One that it doesn't have may be another server's."""
        try:
            execution = await self._client.get_workflow_handle(task_id).describe(rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return execution.status is not WorkflowExecutionStatus.RUNNING
