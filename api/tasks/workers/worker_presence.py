"""Whether workers take the tasks of workflows: asked of Temporal, and remembered for a second."""

from __future__ import annotations

import asyncio

from cachetools import TTLCache
from temporalio.client import Client, WorkflowExecution

from activities.temporal.queue_workers import QueueWorkers, pinned_version, recent_workers
from activities.temporal.versions.version_problems import (
    current_without_workers,
    pinned_without_workers,
    unserved_queue,
)

__all__ = ["WorkerPresence", "version_problem"]

_MAX_AGE_S = 1.0
"""How long a response of Temporal counts: a page of tasks, and many requests at once, cost one call."""
_MAX_QUEUES = 1000


class WorkerPresence:
    """Which workflows have a worker. One that was killed counts for a minute more: Temporal can't know better."""

    def __init__(self, client: Client, *, max_age_s: float = _MAX_AGE_S) -> None:
        self._client = client
        self._known: TTLCache[str, QueueWorkers] = TTLCache(_MAX_QUEUES, max_age_s)
        """By task queue."""
        self._asking = asyncio.Lock()

    async def polls(self, execution: WorkflowExecution) -> bool:
        """Return whether a worker polls for the workflow's tasks: one of its version, if it is pinned to one.

        Raises:
            RPCError: Temporal refuses or doesn't respond.
        """
        return bool((await self._workers(execution.task_queue)).serving(pinned_version(execution)))

    async def version_problem(self, execution: WorkflowExecution) -> str | None:
        """Return why none of the workers that poll takes the workflow's tasks; None if one does, or none polls.

        Raises:
            RPCError: Temporal refuses or doesn't respond.
        """
        return version_problem(execution, await self._workers(execution.task_queue))

    async def _workers(self, task_queue: str) -> QueueWorkers:
        async with self._asking:
            known = self._known.get(task_queue)
            if known is None:
                known = self._known[task_queue] = await recent_workers(self._client, task_queue)
            return known


def version_problem(execution: WorkflowExecution, workers: QueueWorkers) -> str | None:
    """Return why none of the workers of its task queue takes a workflow's tasks; None if one does, or none polls.

    A workflow that is pinned to a version needs workers of that version, even where no others poll.
    """
    pinned = pinned_version(execution)
    if pinned is None:
        return unserved_queue(workers, execution.task_queue)
    if workers.serving(pinned):
        return None
    if not workers.routing.routes_to(pinned):
        return pinned_without_workers(pinned)
    return current_without_workers(pinned) if workers.pollers else None
