"""What the worker of tasks does at once, and how long it waits."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from activities import retry_policies
from activities.settings import Settings

__all__ = ["WorkerLimits", "worker_limits"]

_TRANSFERS_AT_ONCE = 3
"""Large payloads of one workflow task that are read from S3, or written to it, at the same time."""


class WorkerLimits(TypedDict):
    """Arguments of Temporal's ``Worker``."""

    sticky_queue_schedule_to_start_timeout: timedelta
    max_heartbeat_throttle_interval: timedelta
    graceful_shutdown_timeout: timedelta
    max_concurrent_activities: int
    max_workflow_task_external_storage_concurrency: int


def worker_limits(settings: Settings) -> WorkerLimits:
    """Return the limits of the worker of tasks.

    A workflow task reads and writes payload files of a directory one by one: the SDK creates an asyncio task for each
    payload otherwise, also for those that are in no file, which takes 4 % of the CPU time of a step.
    """
    return WorkerLimits(
        sticky_queue_schedule_to_start_timeout=retry_policies.STICKY_QUEUE_TIMEOUT,
        max_heartbeat_throttle_interval=retry_policies.HEARTBEAT_INTERVAL,
        graceful_shutdown_timeout=settings.graceful_shutdown_timeout,
        max_concurrent_activities=retry_policies.MAX_CONCURRENT_ACTIVITIES,
        max_workflow_task_external_storage_concurrency=1 if settings.payload_storage is None else _TRANSFERS_AT_ONCE,
    )
