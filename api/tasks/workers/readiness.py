"""Whether tasks can run: the disk has space, Temporal responds, and a worker polls the task queue."""

from __future__ import annotations

import asyncio

from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.client import temporal_address
from activities.temporal.queue_workers import recent_workers
from activities.temporal.temporal_commands import worker_command
from activities.temporal.versions.version_problems import unserved_tasks
from api.tasks.errors import ServiceError
from api.tasks.requests.disk_space import disk_problem
from api.tasks.temporal_calls import calling_temporal

__all__ = ["is_local", "readiness_problem", "start_worker"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def readiness_problem(client: Client, settings: Settings) -> str | None:
    """Return why tasks can't run, for people; None when they can."""
    queue = settings.task_queue
    name = str(settings.data_dir.absolute()) if is_local(settings) else "the data directory"
    if (problem := await asyncio.to_thread(disk_problem, settings.data_dir, name=name)) is not None:
        return problem
    try:
        async with calling_temporal(temporal_address(settings)):
            workers = await recent_workers(client, queue)
    except ServiceError as error:
        return str(error)
    if not workers.pollers:
        return f"No worker polls task queue {queue!r}. Start one: `{start_worker(settings)}`."
    return unserved_tasks(workers, queue)


def start_worker(settings: Settings) -> str:
    """Return the command that starts a worker; without paths when other machines can reach this API."""
    return worker_command(settings, anywhere=True) if is_local(settings) else "opspawn worker"


def is_local(settings: Settings) -> bool:
    """Return whether only this machine can reach the API, so that it may show paths."""
    return settings.host in _LOOPBACK
