"""Move workflows from a worker deployment version to the current one.

While workers of their version poll, a signal asks them to continue as new: they start a new history on the current
version. Without such workers an override gives them to the current version as they are: it replays their history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution as ExecutionMessage
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.queue_workers import PINNED_VERSION, VERSIONING_BEHAVIOR

__all__ = ["UPGRADE_SIGNAL", "DrainedVersion", "drain_version", "pinned_query"]

UPGRADE_SIGNAL = "upgrade"
"""Tasks and conversations move to the target version when they get it, between two steps or turns."""

_CONCURRENT_MOVES = 10
_MAX_MOVES = 1_000
"""The most workflows that one call moves."""
_MOVE_TIMEOUT_S = 5.0
"""How long to wait for a workflow's first task on its new version, after which its override is removed."""
_LOOK_INTERVAL_S = 0.1
_RPC_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class DrainedVersion:
    """What has become of the workflows that were pinned to a version."""

    asked: int = 0
    """How many move by themselves: between two steps, and after an answer that they wait for."""
    moved: int = 0
    """How many were given to the current version as they are."""
    remaining: int = 0
    """How many more there are: call again."""


def pinned_query(version: WorkerDeploymentVersion, terms: Sequence[str] = ()) -> str:
    """Return the visibility query of open workflows that are pinned to a version; ``terms`` are more conditions."""
    name = f"{version.deployment_name}:{version.build_id}".replace("'", "''")
    own = (f"{PINNED_VERSION.name} = '{name}'", f"{VERSIONING_BEHAVIOR.name} = 'Pinned'", "ExecutionStatus = 'Running'")
    return " AND ".join((*own, *terms))


async def drain_version(client: Client, version: WorkerDeploymentVersion, *, override: bool) -> DrainedVersion:
    """Move the open workflows of a version that isn't current: with ``override`` as they are, else by signal.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    query = pinned_query(version)
    total = (await client.count_workflows(query, rpc_timeout=_RPC_TIMEOUT)).count
    slots = asyncio.Semaphore(_CONCURRENT_MOVES)

    async def move(execution: WorkflowExecution) -> None:
        async with slots:
            with suppress(_Ended):
                await (_override(client, execution, version) if override else _ask(client, execution))

    executions = [each async for each in client.list_workflows(query, limit=_MAX_MOVES, rpc_timeout=_RPC_TIMEOUT)]
    await asyncio.gather(*map(move, executions))
    count = len(executions)
    remaining = max(total - count, 0)
    return DrainedVersion(moved=count, remaining=remaining) if override else DrainedVersion(count, 0, remaining)


class _Ended(Exception):
    """The workflow has ended meanwhile."""


async def _ask(client: Client, execution: WorkflowExecution) -> None:
    handle = client.get_workflow_handle(execution.id)
    try:
        await handle.signal(UPGRADE_SIGNAL, rpc_timeout=_RPC_TIMEOUT)
    except RPCError as error:
        raise _mapped(error) from error


async def _override(client: Client, execution: WorkflowExecution, version: WorkerDeploymentVersion) -> None:
    """Give a workflow to the current version, and pin it there: an override that stayed would move it each time."""
    await _set_override(client, execution, VersioningOverride(auto_upgrade=True))
    await _ask(client, execution)  # wakes it
    with suppress(TimeoutError):
        async with asyncio.timeout(_MOVE_TIMEOUT_S):
            await _until_moved(client, execution, version)
        await _set_override(client, execution, None)


async def _until_moved(client: Client, execution: WorkflowExecution, version: WorkerDeploymentVersion) -> None:
    """Return when workers of another version have completed a task of the workflow, or it has ended."""
    handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
    while True:
        described = await handle.describe(rpc_timeout=_RPC_TIMEOUT)
        ran_on = described.raw_description.workflow_execution_info.versioning_info.deployment_version
        if ran_on.build_id != version.build_id or described.status is not WorkflowExecutionStatus.RUNNING:
            return
        await asyncio.sleep(_LOOK_INTERVAL_S)


async def _set_override(client: Client, execution: WorkflowExecution, override: VersioningOverride | None) -> None:
    request = UpdateWorkflowExecutionOptionsRequest(
        namespace=client.namespace,
        workflow_execution=ExecutionMessage(workflow_id=execution.id, run_id=execution.run_id),
        workflow_execution_options=WorkflowExecutionOptions(versioning_override=override),
    )
    request.update_mask.paths.append("versioning_override")
    try:
        await client.workflow_service.update_workflow_execution_options(request, timeout=_RPC_TIMEOUT)
    except RPCError as error:
        raise _mapped(error) from error


def _mapped(error: RPCError) -> Exception:
    is_over = error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION)
    return _Ended() if is_over else error
