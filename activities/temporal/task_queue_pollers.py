"""The workers that poll a task queue: those of two apps would take each other's tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    ListWorkersRequest,
)
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError

from activities.settings import Settings
from activities.temporal.client import connect_when_ready
from activities.temporal.temporal_clock import temporal_now
from activities.temporal.worker_identity import WorkerIdentity, app_id, own_identity, parse_identity
from agentkit.errors import ConfigurationInvalid

__all__ = [
    "MAX_POLL_AGE",
    "Poller",
    "TaskQueueInUse",
    "connect_worker",
    "describe_task_queue",
    "listed_pollers",
    "recent_pollers",
    "require_no_other_app",
    "require_no_other_app_started",
    "running_pollers",
]

logger = logging.getLogger("opspawn.temporal")

MAX_POLL_AGE = timedelta(seconds=70)
"""A worker's long poll lasts 60 s, so a live one has polled within this time. Temporal lists dead ones for minutes."""
_RPC_TIMEOUT = timedelta(seconds=5)
_CHECK_INTERVAL_S = 1.0
_FIRST_POLL_TIMEOUT_S = 3.0
_FIRST_POLL_INTERVAL_S = 0.1


class TaskQueueInUse(ConfigurationInvalid):
    """Workers of another app poll the task queue: give one of the apps another, or give both the same ``app_name``."""

    def __init__(self, worker: WorkerIdentity, settings: Settings) -> None:
        super().__init__(
            f"{self.reason(worker, settings)} Give one of them a task queue of its own, for its API and its workers, "
            "by OPSPAWN_TASK_QUEUE. If both are the same app, set the same app_name in both."
        )
        self.worker = worker

    @staticmethod
    def reason(worker: WorkerIdentity, settings: Settings) -> str:
        """Return who polls the task queue, for people."""
        return (
            f"Task queue {settings.task_queue!r} is in use by the app {worker.app} (worker {worker.pid} on "
            f"{worker.host}), and this app is {app_id(settings)}: each would take the other's tasks."
        )


@dataclass(frozen=True, slots=True)
class Poller:
    """A worker that polled a task queue lately."""

    identity: str
    """The worker's identity, as Temporal shows it."""
    last_poll_at: datetime
    version: WorkerDeploymentVersion | None = None
    """None: it is unversioned."""

    @property
    def has_ended(self) -> bool:
        """Whether it is a process of this machine that is gone."""
        return self.worker is not None and self.worker.has_ended

    @property
    def worker(self) -> WorkerIdentity | None:
        """The process and app that the identity names; None for a worker that isn't ours."""
        return parse_identity(self.identity)


async def recent_pollers(client: Client, task_queue: str, *, of_activities: bool = False) -> list[Poller]:
    """Return the workers that polled within ``MAX_POLL_AGE`` and haven't stopped since, sorted by identity.

    ``of_activities`` includes workers that serve activities only, as those of other programs do.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    if not (listed := await listed_pollers(client, task_queue, of_activities=of_activities)):
        return []
    oldest = await temporal_now(client) - MAX_POLL_AGE
    return [poller for poller in listed if poller.last_poll_at > oldest]


async def listed_pollers(client: Client, task_queue: str, *, of_activities: bool = False) -> list[Poller]:
    """Return the workers that Temporal lists and that haven't stopped since, sorted by identity.

    One that was killed is listed for five minutes more.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    described = await describe_task_queue(client, task_queue, of_activities=of_activities)
    return await running_pollers(client, task_queue, described)


async def describe_task_queue(
    client: Client, task_queue: str, *, of_activities: bool = False
) -> DescribeTaskQueueResponse:
    """Return Temporal's description of a task queue: who polls it, and which versions get its new workflows.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    kind = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY if of_activities else TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    return await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=kind,
        ),
        timeout=_RPC_TIMEOUT,
    )


async def running_pollers(client: Client, task_queue: str, described: DescribeTaskQueueResponse) -> list[Poller]:
    """Return those of a task queue's pollers that haven't stopped since, sorted by identity."""
    listed = map(_poller, described.pollers)
    stopped = await _stop_times(client, task_queue) if described.pollers else {}
    never = datetime.min.replace(tzinfo=UTC)
    pollers = (poller for poller in listed if stopped.get(poller.identity, never) < poller.last_poll_at)
    return sorted(pollers, key=lambda poller: poller.identity)


def _poller(info: PollerInfo) -> Poller:
    options = info.deployment_options
    is_versioned = options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    version = WorkerDeploymentVersion(options.deployment_name, options.build_id) if is_versioned else None
    return Poller(info.identity, info.last_access_time.ToDatetime(tzinfo=UTC), version)


async def _stop_times(client: Client, task_queue: str) -> Mapping[str, datetime]:
    """Return when workers of the task queue reported that they stop, by identity. A killed worker reports nothing."""
    name = task_queue.replace("'", "\\'")
    request = ListWorkersRequest(namespace=client.namespace, query=f"TaskQueue = '{name}' AND Status = 'ShuttingDown'")
    try:
        response = await client.workflow_service.list_workers(request, timeout=_RPC_TIMEOUT)
    except RPCError:  # an older server doesn't have this call
        return {}
    heartbeats = sorted(
        (info.worker_heartbeat for info in response.workers_info), key=lambda sent: sent.heartbeat_time.ToNanoseconds()
    )
    return {sent.worker_identity: sent.heartbeat_time.ToDatetime(tzinfo=UTC) for sent in heartbeats}


async def connect_worker(settings: Settings) -> Client:
    """Return a client as soon as Temporal responds and no worker of another app polls the task queue.

    Raises:
        TaskQueueInUse: one does.
    """
    client = await connect_when_ready(settings)
    try:
        await require_no_other_app(client, settings)
    except RPCError as error:
        logger.warning("Can't see whether another app uses task queue %s: %s", settings.task_queue, error.message)
    return client


async def require_no_other_app(client: Client, settings: Settings) -> None:
    """Check that no running worker of another app polls ``settings.task_queue``.

    Whether a worker of another machine still runs is seen by its next poll, so this may take ``MAX_POLL_AGE``.

    Raises:
        TaskQueueInUse: one does.
        RPCError: Temporal refuses or doesn't respond.
    """
    first_polls: dict[str, datetime] = {}
    while foreign := _of_other_apps(await recent_pollers(client, settings.task_queue), settings):
        if local := next((worker for _, worker in foreign if worker.is_local), None):
            raise TaskQueueInUse(local, settings)
        if not first_polls:
            first_polls = {poller.identity: poller.last_poll_at for poller, _ in foreign}
            logger.warning(
                "A worker of another app (%s) polled task queue %s lately. Waiting up to %d s to see if it still runs",
                foreign[0][1],
                settings.task_queue,
                MAX_POLL_AGE.total_seconds(),
            )
        for poller, worker in foreign:
            if poller.last_poll_at != first_polls.get(poller.identity):
                raise TaskQueueInUse(worker, settings)
        await asyncio.sleep(_CHECK_INTERVAL_S)


async def require_no_other_app_started(client: Client, settings: Settings) -> None:
    """Check, after this process's worker has started, that no worker of another app started at the same time.

    Each sees the other here, because it looks only when its own poll is listed.

    Raises:
        TaskQueueInUse: one did.
    """
    with suppress(TimeoutError, RPCError):
        async with asyncio.timeout(_FIRST_POLL_TIMEOUT_S):
            pollers = await _pollers_with_own(client, settings)
        for _, worker in _of_other_apps(pollers, settings):
            raise TaskQueueInUse(worker, settings)


async def _pollers_with_own(client: Client, settings: Settings) -> list[Poller]:
    """Return the pollers as soon as this process's worker is one of them."""
    own = str(own_identity(settings))
    while True:
        pollers = await recent_pollers(client, settings.task_queue)
        if any(poller.identity == own for poller in pollers):
            return pollers
        await asyncio.sleep(_FIRST_POLL_INTERVAL_S)


def _of_other_apps(pollers: Sequence[Poller], settings: Settings) -> list[tuple[Poller, WorkerIdentity]]:
    """Return those of other apps, without processes of this machine that have ended."""
    own_app = app_id(settings)
    return [
        (poller, worker)
        for poller in pollers
        if (worker := poller.worker) is not None and worker.app != own_app and not worker.has_ended
    ]
