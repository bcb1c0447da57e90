"""Ask the workers of a task queue what they have, by standalone activities; Temporal passes each to one of them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import RetryPolicy

from activities.temporal.task_queue_pollers import recent_pollers
from activities.worker.worker_description import WorkerDescription

__all__ = ["RESPONSE_TIMEOUT", "SURVEY_TIMEOUT_S", "WorkersWithTool", "describe_workers"]

logger = logging.getLogger("opspawn.tools")

RESPONSE_TIMEOUT = timedelta(seconds=5)
"""How long a worker may take to start, and to respond."""
SURVEY_TIMEOUT_S = 12.0
"""For one round of requests with all of their own timeouts."""
_MAX_ROUNDS = 4
"""Rounds of one request for each worker: Temporal may pass several requests of a round to the same worker."""
_MAX_REQUESTS = 20
"""The most requests at once."""
_MAX_NAMES = 5
"""The most workers that a message names."""
_SURVEY_LIFETIME_S = 5.0
"""How long a survey is reused, so that many calls that are refused at once need one survey only."""


async def describe_workers(client: Client, task_queue: str, count: int) -> list[WorkerDescription]:
    """Ask the ``count`` workers of a task queue for their descriptions; return those that responded, by identity.

    Temporal chooses the worker of each request, so some may get none.

    Raises:
        ActivityFailureError: none responded, or they are of a release that can't.
        TimeoutError: Temporal took too long.
        RPCError: Temporal refuses.
    """
    workers: dict[str, WorkerDescription] = {}
    for _ in range(_MAX_ROUNDS):
        requests = (_describe_worker(client, task_queue) for _ in range(min(count, _MAX_REQUESTS)))
        async with asyncio.timeout(SURVEY_TIMEOUT_S):
            responses = await asyncio.gather(*requests, return_exceptions=True)
        described = [response for response in responses if isinstance(response, WorkerDescription)]
        failures = [response for response in responses if isinstance(response, BaseException)]
        workers |= {worker.identity: worker for worker in described}
        if failures and not workers:
            raise failures[0]
        if failures or len(workers) >= count:
            break
    return [workers[identity] for identity in sorted(workers)]


async def _describe_worker(client: Client, task_queue: str) -> WorkerDescription:
    description: WorkerDescription = await client.execute_activity(
        "describe_worker",
        id=f"opspawn-survey-{uuid.uuid4().hex}",
        task_queue=task_queue,
        result_type=WorkerDescription,
        schedule_to_start_timeout=RESPONSE_TIMEOUT,
        start_to_close_timeout=RESPONSE_TIMEOUT,
        retry_policy=RetryPolicy(maximum_attempts=1),
    )
    return description


class WorkersWithTool:
    """Names the workers of a task queue that have a tool, for the refusals of one that lacks it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._surveying = asyncio.Lock()
        self._surveys: dict[str, tuple[float, list[WorkerDescription], list[str]]] = {}
        """By task queue: when it was made, who responded, and who polled but didn't get a request."""

    async def sentence(self, tool: str, task_queue: str, timeout_s: float) -> str:
        """Return a sentence on who has the tool, as far as that can be known within ``timeout_s`` seconds.

        It never raises: the failure that it is part of must stay a refusal.
        """
        try:
            async with asyncio.timeout(timeout_s):
                described, others = await self._survey(task_queue)
        except Exception as error:
            logger.warning("Can't find out which other workers have the tool %s: %r", tool, error)
            return "Whether another worker of the task queue has it isn't known."
        holders = [worker.identity for worker in described if tool in worker.tools]
        if holders:
            return f"These workers of the task queue have it: {_names(holders)}."
        unknown = f" Not asked were {_names(others)}." if others else ""
        return f"None of the {len(described)} workers of the task queue that were asked has it.{unknown}"

    async def _survey(self, task_queue: str) -> tuple[list[WorkerDescription], list[str]]:
        async with self._surveying:
            now = asyncio.get_running_loop().time()
            if task_queue not in self._surveys or self._surveys[task_queue][0] < now - _SURVEY_LIFETIME_S:
                pollers = [poller.identity for poller in await recent_pollers(self._client, task_queue)]
                described = await describe_workers(self._client, task_queue, max(1, len(pollers)))
                others = sorted({*pollers} - {worker.identity for worker in described})
                self._surveys[task_queue] = (now, described, others)
            _, described, others = self._surveys[task_queue]
            return described, others


def _names(identities: list[str]) -> str:
    more = len(identities) - _MAX_NAMES
    return ", ".join(identities[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
