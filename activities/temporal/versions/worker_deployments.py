"""The versions of a worker deployment, as Temporal has them; which of them is current is set here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus as Status
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest, SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

__all__ = ["DeploymentVersion", "VersionStatus", "deployment_versions", "set_current_version"]

_RPC_TIMEOUT = timedelta(seconds=10)

VersionStatus = Literal["inactive", "current", "ramping", "draining", "drained"]
"""``draining``: it gets no new workflows, and some are still pinned to it; ``drained``: none is. Temporal looks at that
every few minutes."""

_STATUSES: dict[Status.ValueType, VersionStatus] = {
    Status.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT: "current",
    Status.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING: "ramping",
    Status.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING: "draining",
    Status.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED: "drained",
}


@dataclass(frozen=True, slots=True)
class DeploymentVersion:
    """A version of a worker deployment."""

    version: WorkerDeploymentVersion
    status: VersionStatus
    created_at: datetime
    """When its first worker polled."""


async def deployment_versions(client: Client, deployment: str) -> tuple[DeploymentVersion, ...]:
    """Return the versions that Temporal knows, newest first; none where the deployment has had no versioned worker.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    try:
        response = await client.workflow_service.describe_worker_deployment(request, timeout=_RPC_TIMEOUT)
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.UNIMPLEMENTED):
            return ()
        raise
    versions = (
        DeploymentVersion(
            WorkerDeploymentVersion(deployment, summary.deployment_version.build_id),
            _STATUSES.get(summary.status, "inactive"),
            summary.create_time.ToDatetime(tzinfo=UTC),
        )
        for summary in response.worker_deployment_info.version_summaries
    )
    return tuple(sorted(versions, key=lambda version: version.created_at, reverse=True))


async def set_current_version(
    client: Client, deployment: str, build_id: str | None, *, allow_no_pollers: bool = False
) -> None:
    """Have new workflows given to workers of a version; None: to unversioned workers.

    ``allow_no_pollers`` is for a version of which no worker has polled yet, or not all task queues of the current one.

    Raises:
        RPCError: there is no such version, it doesn't poll all task queues of the current one, or Temporal refuses.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=deployment,
        build_id=build_id or "",
        allow_no_pollers=allow_no_pollers,
        ignore_missing_task_queues=allow_no_pollers,
    )
    await client.workflow_service.set_worker_deployment_current_version(request, timeout=_RPC_TIMEOUT)
