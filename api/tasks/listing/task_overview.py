"""What there is to see of all tasks at once: the newest ones, and those that wait for people or failed lately."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.temporal_clock import temporal_now
from api.tasks.listing.task_listing import newest_tasks, visibility_query
from api.tasks.requests.task_requests import TaskFilter
from api.tasks.task_snapshot import TaskSnapshot, TaskUrls
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.visibility.task_visibility import listed_task

__all__ = ["FAILED_WITHIN", "TaskOverview", "task_overview"]

FAILED_WITHIN = timedelta(hours=1)
"""How long ago the tasks that ``TaskOverview.failed`` counts may have ended."""
_MAX_TASKS = 10
"""Of each kind."""


@dataclass(frozen=True, slots=True)
class TaskOverview:
    """Tasks at one moment, as lists show them."""

    newest: tuple[TaskSnapshot, ...]
    """The newest ones, newest first."""
    unended_count: int
    failed: tuple[TaskSnapshot, ...]
    """The newest of those that failed or timed out within ``FAILED_WITHIN``."""
    failed_count: int
    """How many of them there are."""
    waiting: tuple[TaskSnapshot, ...]
    """The newest of those that wait for a person's answer."""
    waiting_count: int
    """How many of them there are."""


async def task_overview(client: Client, settings: Settings) -> TaskOverview:
    """Return the overview.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    since = (await temporal_now(client) - FAILED_WITHIN).isoformat().replace("+00:00", "Z")
    failed = f"{visibility_query(TaskFilter(status=('failed', 'timed_out')))} AND CloseTime > '{since}'"
    waiting = visibility_query(TaskFilter(status=("waiting",)))
    unended = f"{visibility_query(TaskFilter())} AND ExecutionStatus = 'Running'"
    (newest, failed_tasks, waiting_tasks), (unended_count, failed_count, waiting_count) = await asyncio.gather(
        asyncio.gather(
            *(_newest(client, settings, query) for query in (visibility_query(TaskFilter()), failed, waiting))
        ),
        asyncio.gather(*(_count(client, query) for query in (unended, failed, waiting))),
    )
    return TaskOverview(
        newest=newest,
        unended_count=unended_count,
        failed=failed_tasks,
        failed_count=failed_count,
        waiting=waiting_tasks,
        waiting_count=waiting_count,
    )


async def _newest(client: Client, settings: Settings, query: str) -> tuple[TaskSnapshot, ...]:
    urls = TaskUrls.of(settings.temporal_ui_url, client.namespace)
    executions = await newest_tasks(client, query, None, _MAX_TASKS)
    return tuple([await listed_task(execution, urls) for execution in executions])


async def _count(client: Client, query: str) -> int:
    return (await client.count_workflows(query, rpc_timeout=RPC_TIMEOUT)).count
