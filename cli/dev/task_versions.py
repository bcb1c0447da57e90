"""Have the workers of ``opspawn dev`` serve all tasks of the task queue, whichever version these started on.

Its workers are of one version, or unversioned: a task that stayed pinned to another one would never go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError

from activities.settings import Settings
from activities.temporal.client import connect
from activities.temporal.queue_workers import recent_workers
from activities.temporal.versions.deployment_version import own_version
from activities.temporal.versions.version_moves import deployment_names, drain_version
from activities.temporal.versions.worker_deployments import deployment_versions, set_current_version
from cli.dev.dev_plan import DevPlan
from cli.dev.log_view import LogView
from cli.temporal_checks import host_and_port

__all__ = ["serve_all_tasks", "serving_tasks_of_all_versions"]

_LOOPBACK = ("127.0.0.1", "localhost")
_RETRY_INTERVAL_S = 0.5


@asynccontextmanager
async def serving_tasks_of_all_versions(settings: Settings, plan: DevPlan, view: LogView) -> AsyncIterator[None]:
    """Do it while the context is entered, as soon as Temporal responds. Not at a Temporal of another machine, which
    other workers may use, and not without workers of its own.
    """
    if not plan.workers or host_and_port(plan.temporal_address)[0] not in _LOOPBACK:
        yield
        return
    serving = asyncio.create_task(_serve(settings, plan, view))
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _serve(settings: Settings, plan: DevPlan, view: LogView) -> None:
    while True:
        try:
            client = await connect(settings, address=plan.temporal_address)
            for build_id, count in (await serve_all_tasks(client, settings)).items():
                view.notice(f"Tasks and conversations of version {build_id} that go on with these workers: {count}")
        except (RPCError, RuntimeError):  # Temporal isn't ready yet, or is restarted
            await asyncio.sleep(_RETRY_INTERVAL_S)
        else:
            return


async def serve_all_tasks(client: Client, settings: Settings) -> dict[str, int]:
    """Make this app's version current, and move open tasks of versions without workers to it.

    Returns:
        How many were moved, by build id.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    own, task_queue = own_version(settings), settings.task_queue
    workers = await recent_workers(client, task_queue)
    names = await deployment_names(client, task_queue, workers.deployments(settings.deployment))
    known = [version for name in names for version in await deployment_versions(client, name)]
    if own is None and not known:
        return {}
    if workers.routing.current != own:
        current = own or workers.routing.current
        deployment = settings.deployment if current is None else current.deployment_name
        await set_current_version(client, deployment, settings.build_id, allow_no_pollers=True)
    others = [each.version for each in known if each.version != own and each.status != "drained"]
    return await _move_tasks(client, task_queue, own, others) if others else {}


async def _move_tasks(
    client: Client, task_queue: str, own: WorkerDeploymentVersion | None, others: list[WorkerDeploymentVersion]
) -> dict[str, int]:
    moved: dict[str, int] = {}
    while True:
        workers = await recent_workers(client, task_queue)
        if workers.serving(own):
            break
        await asyncio.sleep(_RETRY_INTERVAL_S)
    for version in others:
        if not workers.serving(version):
            remaining = 1
            while remaining:
                drained = await drain_version(client, version, task_queue, workers, override=True)
                moved[version.build_id] = moved.get(version.build_id, 0) + drained.moved
                remaining = drained.remaining if drained.moved else 0
    return {build_id: count for build_id, count in moved.items() if count}
