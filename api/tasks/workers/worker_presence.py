"""Whether workers poll the task queues of tasks: asked of Temporal, and remembered for a second."""

from __future__ import annotations

import asyncio

from cachetools import TTLCache
from temporalio.client import Client

from activities.temporal.task_queue_pollers import recent_pollers

__all__ = ["WorkerPresence"]

_MAX_AGE_S = 1.0
"""How long a response of Temporal counts: a page of tasks, and many requests at once, cost one call."""
_MAX_QUEUES = 1000


class WorkerPresence:
    """Which task queues have a worker. One that was killed counts for a minute more: Temporal can't know better."""

    def __init__(self, client: Client, *, max_age_s: float = _MAX_AGE_S) -> None:
        self._client = client
        self._known: TTLCache[str, bool] = TTLCache(_MAX_QUEUES, max_age_s)
        """By task queue."""
        self._asking = asyncio.Lock()

    async def polls(self, task_queue: str) -> bool:
        """Return whether a worker polls the task queue.

        Raises:
            RPCError: Temporal refuses or doesn't respond.
        """
        async with self._asking:
            known = self._known.get(task_queue)
            if known is None:
                known = self._known[task_queue] = bool(await recent_pollers(self._client, task_queue))
            return known
