"""The workers of the task queue by version: who polls, which version gets new tasks, and which tasks hold another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import Client, WorkflowExecution
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from activities.temporal.client import temporal_address
from activities.temporal.queue_workers import QueueWorkers, recent_workers
from activities.temporal.task_queue_pollers import Poller
from activities.temporal.versions.version_moves import DrainedVersion, deployment_names, drain_version, pinned_query
from activities.temporal.versions.version_problems import pinned_without_workers, unserved_queue, unserved_tasks
from activities.temporal.versions.worker_deployments import (
    DeploymentVersion,
    VersionStatus,
    deployment_versions,
    set_current_version,
)
from api.tasks.errors import WorkerVersionRefused
from api.tasks.temporal_calls import RPC_TIMEOUT, calling_temporal
from api.tasks.visibility.tenant_access import tenant_terms

__all__ = ["DeploymentView", "VersionView", "WorkerVersions", "WorkerView"]

_CALLS_TIMEOUT_S = 30.0
_DRAIN_TIMEOUT_S = 900.0
_ROUTING_TIMEOUT_S = 5.0
_ROUTING_INTERVAL_S = 0.05
_REFUSALS = (
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.ABORTED,
    RPCStatusCode.UNIMPLEMENTED,
)
_MAX_LISTED_TASKS = 50
"""Of one version; ``tasks`` counts all."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """The workers of one version, and the tasks that only they run."""

    deployment: str | None
    """Its worker deployment: two may have versions with the same build id. None for unversioned workers."""
    build_id: str | None
    """None: unversioned workers."""
    status: VersionStatus
    workers: int
    """How many poll."""
    created_at: datetime | None = None
    """When its first worker polled. None for unversioned workers."""
    tasks: int = 0
    """How many open tasks and conversations are pinned to it, of those that the principal sees."""
    task_ids: tuple[str, ...] = ()
    """The ids of the newest of them; of conversations, too. Not of the current version."""
    problem: str | None = None
    """Why its tasks can't go on, and what to do."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker that polls the task queue."""

    identity: str
    deployment: str | None
    build_id: str | None
    """None: it is unversioned, and has no deployment."""
    last_poll_at: datetime


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """The workers of the task queue."""

    deployment: str
    """That of the current version."""
    task_queue: str
    current: str | None
    """The build id of the version that new tasks are given to; None: to unversioned workers."""
    ramping: str | None
    ramping_percentage: float
    """The share of new tasks that are given to ``ramping``."""
    versions: tuple[VersionView, ...]
    workers: tuple[WorkerView, ...]
    problem: str | None
    """Why no worker gets new tasks though some poll, and what to do."""


class WorkerVersions:
    """Reads and sets what Temporal has of the worker deployment. Every method may raise TemporalUnreachable and
    TemporalNotReady.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._address = temporal_address(settings)

    async def view(self) -> DeploymentView:
        """Return the workers, their versions, and the tasks that are pinned to them."""
        async with calling_temporal(self._address, timeout_s=_CALLS_TIMEOUT_S):
            workers, known = await self._known()
            versions = await asyncio.gather(*(self._version(version, workers) for version in known))
        routing = workers.routing
        return DeploymentView(
            deployment=workers.deployments(self._settings.deployment)[0],
            task_queue=self._settings.task_queue,
            current=_build_id(routing.current),
            ramping=_build_id(routing.ramping),
            ramping_percentage=routing.ramping_percentage,
            versions=(*_unversioned(workers), *versions),
            workers=tuple(map(_worker, workers.pollers)),
            problem=unserved_tasks(workers, self._settings.task_queue),
        )

    async def set_current(self, build_id: str | None, *, allow_no_workers: bool = False) -> DeploymentView:
        """Have new tasks given to the workers of a version, or to unversioned ones.

        Raises:
            WorkerVersionRefused: no worker of the version polls, two deployments have it, or Temporal refuses; the
                message says why.
        """
        async with calling_temporal(self._address, timeout_s=_CALLS_TIMEOUT_S):
            workers, known = await self._known()
            polls = any(_build_id(each.version) == build_id for each in workers.pollers)
            if not polls and not allow_no_workers:
                name = "No unversioned worker" if build_id is None else f"No worker of version {build_id}"
                raise WorkerVersionRefused(f"{name} polls task queue {self._settings.task_queue!r}: start one first.")
            deployment = workers.deployments(self._settings.deployment)[0]
            if build_id is not None:
                found = _only(workers.with_build_id(build_id)) or _only(_of(known, build_id))
                deployment = deployment if found is None else found.deployment_name
            with _refusals():
                await set_current_version(self._client, deployment, build_id, allow_no_pollers=allow_no_workers)
            if polls:
                await self._until_routed_to(build_id)
        return await self.view()

    async def _until_routed_to(self, build_id: str | None) -> None:
        """Wait until the task queue has the new version, which Temporal tells it some time after its deployment.

        Without an error where that takes long or can't be read: the version is set.
        """
        with suppress(TimeoutError, RPCError):
            async with asyncio.timeout(_ROUTING_TIMEOUT_S):
                while await self._current_build_id() != build_id:  # noqa: ASYNC110  # another process
                    await asyncio.sleep(_ROUTING_INTERVAL_S)

    async def _current_build_id(self) -> str | None:
        return _build_id((await recent_workers(self._client, self._settings.task_queue)).routing.current)

    async def drain(self, build_id: str, *, override: bool = False) -> DrainedVersion:
        """Move the open tasks and conversations of a version to the current one.

        While workers of the version poll, each moves between two steps, unless ``override`` moves it as it is.

        Raises:
            WorkerVersionRefused: the version gets new tasks, two deployments have it, no worker gets new tasks, or
                Temporal refuses; the message says why.
        """
        task_queue = self._settings.task_queue
        async with calling_temporal(self._address, timeout_s=_DRAIN_TIMEOUT_S):
            workers, known = await self._known()
            of_build = dict.fromkeys((*_of(known, build_id), *workers.with_build_id(build_id)))
            versions = [version for version in of_build if not workers.routing.routes_to(version)]
            if of_build and not versions:
                raise WorkerVersionRefused(
                    f"Version {build_id} gets new tasks, so there is none to move to: make another one current first, "
                    "with `opspawn workers set-current BUILD_ID`."
                )
            _only([version for version in versions if workers.serving(version)])
            if versions and not workers.serving(None):
                problem = unserved_queue(workers, task_queue) or f"No worker polls task queue {task_queue!r}."
                raise WorkerVersionRefused(f"No worker would go on with the tasks. {problem}")
            drained = DrainedVersion()
            with _refusals():
                for version in versions:
                    is_moved = override or not workers.serving(version)
                    drained += await drain_version(self._client, version, task_queue, workers, override=is_moved)
            return drained

    async def _known(self) -> tuple[QueueWorkers, list[DeploymentVersion]]:
        """Return the workers, and the versions of all deployments that they or open tasks are of, newest first."""
        task_queue = self._settings.task_queue
        workers = await recent_workers(self._client, task_queue)
        names = await deployment_names(self._client, task_queue, workers.deployments(self._settings.deployment))
        known = await asyncio.gather(*(deployment_versions(self._client, name) for name in names))
        versions = (version for of_deployment in known for version in of_deployment)
        return workers, sorted(versions, key=lambda version: version.created_at, reverse=True)

    async def _version(self, known: DeploymentVersion, workers: QueueWorkers) -> VersionView:
        version = known.version
        polling = len(workers.serving(version))
        tasks, listed = 0, list[WorkflowExecution]()
        if known.status != "drained":
            query = pinned_query(version, self._settings.task_queue, tenant_terms())
            tasks = (await self._client.count_workflows(query, rpc_timeout=RPC_TIMEOUT)).count
            if tasks and not workers.routing.routes_to(version):
                found = self._client.list_workflows(query, limit=_MAX_LISTED_TASKS, rpc_timeout=RPC_TIMEOUT)
                listed = [execution async for execution in found]
        return VersionView(
            version.deployment_name,
            version.build_id,
            known.status,
            polling,
            known.created_at,
            tasks,
            tuple(execution.id for execution in listed),
            pinned_without_workers(version, tasks)
            if tasks and not polling and not workers.routing.routes_to(version)
            else None,
        )


def _unversioned(workers: QueueWorkers) -> Iterable[VersionView]:
    count = sum(poller.version is None for poller in workers.pollers)
    is_current = workers.routing.routes_to(None)
    if count or is_current:
        yield VersionView(None, None, "current" if is_current else "inactive", count)


def _worker(poller: Poller) -> WorkerView:
    deployment = poller.version.deployment_name if poller.version else None
    return WorkerView(poller.identity, deployment, _build_id(poller.version), poller.last_poll_at)


def _of(known: Iterable[DeploymentVersion], build_id: str) -> list[WorkerDeploymentVersion]:
    return [each.version for each in known if each.version.build_id == build_id]


def _only(versions: Sequence[WorkerDeploymentVersion]) -> WorkerDeploymentVersion | None:
    """Return the version; None where there is none.

    Raises:
        WorkerVersionRefused: versions of two deployments have the same build id.
    """
    if len(versions) > 1:
        names = " and ".join(sorted(repr(version.deployment_name) for version in versions))
        raise WorkerVersionRefused(
            f"Deployments {names} both have version {versions[0].build_id}: stop the workers of all but one, or give "
            "them another build id."
        )
    return versions[0] if versions else None


@contextmanager
def _refusals() -> Iterator[None]:
    """Translate what Temporal refuses."""
    try:
        yield
    except RPCError as error:
        if error.status not in _REFUSALS:
            raise
        raise WorkerVersionRefused(f"Temporal refuses: {error.message}") from error


def _build_id(version: WorkerDeploymentVersion | None) -> str | None:
    return None if version is None else version.build_id
