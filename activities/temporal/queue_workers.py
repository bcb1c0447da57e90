"""The workers of a task queue with their versions, and which of them Temporal gives a workflow's tasks to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from temporalio.api.deployment.v1 import WorkerDeploymentVersion as VersionMessage
from temporalio.api.taskqueue.v1 import TaskQueueVersioningInfo
from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey, WorkerDeploymentVersion

from activities.temporal.task_queue_pollers import MAX_POLL_AGE, Poller, describe_task_queue, running_pollers
from activities.temporal.temporal_clock import temporal_now

__all__ = [
    "PINNED_VERSION",
    "VERSIONING_BEHAVIOR",
    "QueueWorkers",
    "VersionRouting",
    "last_version",
    "pinned_version",
    "recent_workers",
]

PINNED_VERSION = SearchAttributeKey.for_keyword("TemporalWorkerDeploymentVersion")
"""Temporal's own: ``DEPLOYMENT:BUILD_ID`` of the workers that a workflow ran on last."""
VERSIONING_BEHAVIOR = SearchAttributeKey.for_keyword("TemporalWorkflowVersioningBehavior")
"""Temporal's own: ``Pinned`` or ``AutoUpgrade``; unset for workflows of unversioned workers."""


@dataclass(frozen=True, slots=True)
class VersionRouting:
    """The versions that new workflows of a task queue are given to; None among them stands for unversioned workers."""

    current: WorkerDeploymentVersion | None = None
    ramping: WorkerDeploymentVersion | None = None
    ramping_percentage: float = 0.0
    """The share of the ramping version; 0: there is none."""

    @classmethod
    def of(cls, info: TaskQueueVersioningInfo) -> VersionRouting:
        """Return the routing that Temporal describes."""
        current, ramping = info.current_deployment_version, info.ramping_deployment_version
        return cls(_version(current), _version(ramping), info.ramping_version_percentage)

    @property
    def shares(self) -> Mapping[WorkerDeploymentVersion | None, float]:
        """The versions that get new workflows, each with its percentage of them."""
        if self.ramping_percentage <= 0 or self.ramping == self.current:
            return {self.current: 100.0}
        if self.ramping_percentage >= 100:
            return {self.ramping: 100.0}
        return {self.current: 100 - self.ramping_percentage, self.ramping: self.ramping_percentage}

    def routes_to(self, version: WorkerDeploymentVersion | None) -> bool:
        """Return whether workers of a version get new workflows."""
        return version in self.shares


@dataclass(frozen=True, slots=True)
class QueueWorkers:
    """The workers that polled a task queue lately."""

    pollers: tuple[Poller, ...] = ()
    routing: VersionRouting = VersionRouting()

    def deployments(self, default: str) -> tuple[str, ...]:
        """Return the names of the deployments that are known here, that of the current version first.

        ``default`` is the own one, which counts where workers or tasks of it may have been.
        """
        versions = (self.routing.current, self.routing.ramping, *(poller.version for poller in self.pollers))
        return tuple(dict.fromkeys((*(version.deployment_name for version in versions if version), default)))

    def with_build_id(self, build_id: str) -> tuple[WorkerDeploymentVersion, ...]:
        """Return the versions that poll with a build id: more than one where two deployments use the same."""
        versions = (poller.version for poller in self.pollers)
        return tuple(dict.fromkeys(version for version in versions if version and version.build_id == build_id))

    @property
    def unserved_shares(self) -> Mapping[WorkerDeploymentVersion | None, float]:
        """The versions that get new workflows and of which no worker polls, each with its percentage of them."""
        polling = {poller.version for poller in self.pollers}
        return {version: share for version, share in self.routing.shares.items() if version not in polling}

    def serving(self, version: WorkerDeploymentVersion | None) -> tuple[Poller, ...]:
        """Return the workers that are given the tasks of a workflow.

        ``version`` is the one that the workflow is pinned to. None: it is pinned to none, as new ones and those of
        unversioned workers; then it is given to the current version, or to the ramping one.
        """
        if version is None:
            return tuple(poller for poller in self.pollers if self.routing.routes_to(poller.version))
        return tuple(poller for poller in self.pollers if poller.version == version and not poller.has_ended)


async def recent_workers(client: Client, task_queue: str) -> QueueWorkers:
    """Return the workers that polled for workflows within ``MAX_POLL_AGE`` and haven't stopped since.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    described = await describe_task_queue(client, task_queue)
    routing = VersionRouting.of(described.versioning_info)
    if not (pollers := await running_pollers(client, task_queue, described)):
        return QueueWorkers((), routing)
    oldest = await temporal_now(client) - MAX_POLL_AGE
    return QueueWorkers(tuple(poller for poller in pollers if poller.last_poll_at > oldest), routing)


def pinned_version(execution: WorkflowExecution) -> WorkerDeploymentVersion | None:
    """Return the version that a workflow is pinned to; None: it is given to the workers of the current version."""
    return last_version(execution) if execution.typed_search_attributes.get(VERSIONING_BEHAVIOR) == "Pinned" else None


def last_version(execution: WorkflowExecution) -> WorkerDeploymentVersion | None:
    """Return the version of the workers that a workflow ran on last; None for unversioned workers."""
    deployment, _, build_id = (execution.typed_search_attributes.get(PINNED_VERSION) or "").rpartition(":")
    return WorkerDeploymentVersion(deployment, build_id) if deployment else None


def _version(message: VersionMessage) -> WorkerDeploymentVersion | None:
    return WorkerDeploymentVersion(message.deployment_name, message.build_id) if message.build_id else None
