"""What there is to see of all tasks at once: the newest ones, and those that failed lately."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.temporal_clock import temporal_now
from api.tasks.task_listing import newest_tasks, visibility_query
from api.tasks.task_requests import TaskFilter
from api.tasks.task_snapshot import TaskSnapshot, TaskUrls
from api.tasks.task_visibility import listed_task
from api.tasks.temporal_calls import RPC_TIMEOUT
from workflows.task_types import WORKFLOW_TYPE

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


async def task_overview(client: Client, settings: Settings) -> TaskOverview:
    """Return the overview.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    since = (await temporal_now(client) - FAILED_WITHIN).isoformat().replace("+00:00", "Z")
    failed = f"{visibility_query(TaskFilter(status=('failed', 'timed_out')))} AND CloseTime > '{since}'"
    newest_executions, failed_executions, unended_count, failed_count = await asyncio.gather(
        newest_tasks(client, visibility_query(TaskFilter()), None, _MAX_TASKS),
        newest_tasks(client, failed, None, _MAX_TASKS),
        _count(client, f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"),
        _count(client, failed),
    )
    urls = TaskUrls.of(settings.temporal_ui_url, client.namespace)
    return TaskOverview(
        newest=tuple([await listed_task(execution, urls) for execution in newest_executions]),
        unended_count=unended_count,
        failed=tuple([await listed_task(execution, urls) for execution in failed_executions]),
        failed_count=failed_count,
    )


async def _count(client: Client, query: str) -> int:
    return (await client.count_workflows(query, rpc_timeout=RPC_TIMEOUT)).count
