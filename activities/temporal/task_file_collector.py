"""Delete the files of tasks that were erased, or that ended long ago."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from pathlib import Path

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.erasure_payloads import ERASURE_TYPES
from activities.temporal.encryption.encrypted_payloads import is_erased
from activities.temporal.payload_storage import FILES_DIRECTORY, OWNER_FILE, PayloadStorageFailed

__all__ = ["TaskFileCollector"]

logger = logging.getLogger("opspawn.payloads")

_PAUSE_S = 0.05
_RPC_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _TaskFiles:
    """The directory of a task's files."""

    directory: Path
    task_id: str
    is_old: bool
    """Whether it has not changed for as long as files of ended tasks are kept."""


class TaskFileCollector:
    """Deletes the files of tasks that were erased, and of ended tasks whose files have not changed for a while.

    Files are on the disk of the worker that ran their task: an erasure deletes them only there where it runs, and each
    other worker does it here. Of ended tasks that were not erased, other payloads stay.
    """

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
        stored = await asyncio.to_thread(lambda: list(self._stored()))
        erased = await self._erased_workflows() if stored else set()
        count = 0
        for files in stored:
            if _is_in(files.task_id, erased):
                due = files.directory.parent
            elif await self._is_key_destroyed(files.task_id) or (files.is_old and await self._has_ended(files.task_id)):
                due = files.directory
            else:
                continue
            await asyncio.to_thread(shutil.rmtree, due, ignore_errors=True)
            count += 1
        return count

    def _stored(self) -> Iterator[_TaskFiles]:
        oldest = time.time() - self._keep_s
        for files in self._directory.glob(f"*/*/{FILES_DIRECTORY}"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                owner = json.loads((files.parent / OWNER_FILE).read_bytes())
                if owner["namespace"] == self._client.namespace:
                    yield _TaskFiles(files, str(owner["workflow_id"]), files.stat().st_mtime <= oldest)

    async def _erased_workflows(self) -> set[str]:
        """Return the ids of the tasks and conversations whose erasures Temporal has."""
        query = f"WorkflowType IN {ERASURE_TYPES}"
        return {erasure.id async for erasure in self._client.list_workflows(query, rpc_timeout=_RPC_TIMEOUT)}

    async def _is_key_destroyed(self, task_id: str) -> bool:
        try:
            return await is_erased(self._client, task_id)
        except PayloadStorageFailed as error:
            logger.warning("Can't see whether the key of %s was destroyed: %s", task_id, error)
            return False

    async def _has_ended(self, task_id: str) -> bool:
        """Return whether Temporal has the task as ended. One that it doesn't have may be another server's."""
        await asyncio.sleep(_PAUSE_S)
        try:
            execution = await self._client.get_workflow_handle(task_id).describe(rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return execution.status is not WorkflowExecutionStatus.RUNNING


def _is_in(task_id: str, erased: Collection[str]) -> bool:
    """Return whether a task was erased, or its conversation: the id of a turn begins with that of the conversation."""
    return any(beginning in erased for beginning in accumulate(task_id.split("-"), "{}-{}".format))
