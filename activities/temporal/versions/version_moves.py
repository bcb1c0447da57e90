"""Move workflows from a worker deployment version to the current one.

While workers of their version poll, a signal asks them to continue as new: they start a new history on the current
version. Without such workers an override gives them to the current version as they are: it replays their history.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from temporalio.api.common.v1 import WorkflowExecution as ExecutionMessage
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.queue_workers import (
    PINNED_VERSION,
    VERSIONING_BEHAVIOR,
    QueueWorkers,
    last_version,
    pinned_version,
)

__all__ = ["UPGRADE_SIGNAL", "DrainedVersion", "deployment_names", "drain_version", "pinned_query"]

logger = logging.getLogger("opspawn.temporal")

UPGRADE_SIGNAL = "upgrade"
"""Tasks and conversations move to the target version when they get it, between two steps or turns."""

_CONCURRENT_MOVES = 10
_MAX_OVERRIDES = 1_000
"""The most workflows that one call moves as they are; those that it has moved leave the list. Signals have no limit."""
_MOVE_TIMEOUT_S = 5.0
"""How long to wait for a workflow's first task on its new version; later, the next call removes its override."""
_LOOK_INTERVAL_S = 0.1
_RPC_TIMEOUT = timedelta(seconds=5)
_DEPLOYMENT = "TemporalWorkerDeployment"
"""Temporal's own search attribute: the deployment of the workers that a workflow ran on last."""
_MAX_DEPLOYMENTS = 20

_Outcome = Literal["moved", "waiting", "ended"]


@dataclass(frozen=True, slots=True)
class DrainedVersion:
    """What has become of the workflows that were pinned to a version."""

    signalled: int = 0
    """How many were asked to move, and do by themselves: between two steps, and after an answer that they wait for."""
    moved: int = 0
    """How many run on the current version now, which has replayed their history."""
    remaining: int = 0
    """How many haven't moved, and weren't signalled: call again."""

    def __add__(self, other: DrainedVersion) -> DrainedVersion:
        return DrainedVersion(
            self.signalled + other.signalled, self.moved + other.moved, self.remaining + other.remaining
        )


def pinned_query(version: WorkerDeploymentVersion, task_queue: str, terms: Sequence[str] = ()) -> str:
    """Return the visibility query of open workflows that are pinned to a version; ``terms`` are more conditions."""
    return _query(task_queue, _ran_on(version), f"{VERSIONING_BEHAVIOR.name} = 'Pinned'", *terms)


async def deployment_names(client: Client, task_queue: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return ``known`` and the further deployments to whose versions open workflows of the task queue are pinned.

    Those of a deployment that isn't used any more are found by their workflows only.

    Raises:
        RPCError: Temporal refuses or doesn't respond.
    """
    names = dict.fromkeys(known)
    while len(names) < _MAX_DEPLOYMENTS:
        others = f"{_DEPLOYMENT} NOT IN ({', '.join(map(_quoted, names))})"
        query = _query(task_queue, f"{VERSIONING_BEHAVIOR.name} = 'Pinned'", others)
        try:
            found = await _listed(client, query, limit=1)
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            break  # an older server doesn't have this search attribute
        version = pinned_version(found[0]) if found else None
        if version is None or version.deployment_name in names:
            break
        names[version.deployment_name] = None
    return tuple(names)


async def drain_version(
    client: Client, version: WorkerDeploymentVersion, task_queue: str, workers: QueueWorkers, *, override: bool
) -> DrainedVersion:
    """Move the open workflows of a version that isn't current: with ``override`` as they are, else by signal.

    Raises:
        RPCError: Temporal refuses or doesn't respond, and no workflow could be moved.
    """
    await _remove_old_overrides(client, task_queue, workers)
    if not override:
        executions = await _listed(client, pinned_query(version, task_queue))
        outcomes = await _of_each(executions, lambda execution: _signal(client, execution))
        return DrainedVersion(signalled=outcomes.count("waiting"), remaining=_failed(outcomes))
    query = _query(task_queue, _ran_on(version))  # also those that have an override, and haven't run since
    total = (await client.count_workflows(query, rpc_timeout=_RPC_TIMEOUT)).count
    executions = await _listed(client, query, limit=_MAX_OVERRIDES)
    outcomes = await _of_each(executions, lambda execution: _override(client, execution, version))
    remaining = max(total - len(executions), 0) + _failed(outcomes) + outcomes.count("waiting")
    return DrainedVersion(moved=outcomes.count("moved"), remaining=remaining)


async def _listed(client: Client, query: str, *, limit: int | None = None) -> list[WorkflowExecution]:
    return [each async for each in client.list_workflows(query, limit=limit, rpc_timeout=_RPC_TIMEOUT)]


async def _of_each(
    executions: Sequence[WorkflowExecution], move: Callable[[WorkflowExecution], Awaitable[_Outcome]]
) -> list[_Outcome | RPCError]:
    """Return what has become of each workflow.

    Raises:
        RPCError: it failed for all of them.
    """
    slots = asyncio.Semaphore(_CONCURRENT_MOVES)

    async def moved(execution: WorkflowExecution) -> _Outcome | RPCError:
        async with slots:
            try:
                return await move(execution)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return "ended"
                logger.warning("Workflow %s can't be moved now: %s", execution.id, error.message)
                return error

    outcomes = await asyncio.gather(*map(moved, executions))
    errors = [outcome for outcome in outcomes if isinstance(outcome, RPCError)]
    if errors and len(errors) == len(outcomes):
        raise errors[0]
    return outcomes


def _failed(outcomes: Sequence[_Outcome | RPCError]) -> int:
    return sum(isinstance(outcome, RPCError) for outcome in outcomes)


async def _signal(client: Client, execution: WorkflowExecution) -> _Outcome:
    await client.get_workflow_handle(execution.id).signal(UPGRADE_SIGNAL, rpc_timeout=_RPC_TIMEOUT)
    return "waiting"


async def _override(client: Client, execution: WorkflowExecution, version: WorkerDeploymentVersion) -> _Outcome:
    """Give a workflow to the current version, and pin it there: an override that stayed would move it each time.

    Where workers have no time for it yet, the override stays until the next call: without it, it would not move.
    """
    await _set_override(client, execution, VersioningOverride(auto_upgrade=True))
    await _signal(client, execution)  # wakes it
    try:
        async with asyncio.timeout(_MOVE_TIMEOUT_S):
            outcome = await _until_moved(client, execution, version)
    except TimeoutError:
        return "waiting"
    if outcome == "moved":
        await _set_override(client, execution, None)
    return outcome


async def _until_moved(client: Client, execution: WorkflowExecution, version: WorkerDeploymentVersion) -> _Outcome:
    """Return when workers of another version have completed a task of the workflow, or it has ended."""
    handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
    while True:
        described = await handle.describe(rpc_timeout=_RPC_TIMEOUT)
        ran_on = described.raw_description.workflow_execution_info.versioning_info.deployment_version
        if (ran_on.deployment_name, ran_on.build_id) != (version.deployment_name, version.build_id):
            return "moved"
        if described.status is not WorkflowExecutionStatus.RUNNING:
            return "ended"
        await asyncio.sleep(_LOOK_INTERVAL_S)


async def _remove_old_overrides(client: Client, task_queue: str, workers: QueueWorkers) -> None:
    """Pin workflows that an earlier call has moved and not pinned: they had not run on their new version in time.

    That is so for those that ran last on a version which gets new tasks; the others still need their override.
    """
    overridden = _query(task_queue, f"{VERSIONING_BEHAVIOR.name} = 'AutoUpgrade'")
    for execution in await _listed(client, overridden, limit=_MAX_OVERRIDES):
        if (version := last_version(execution)) is None or not workers.routing.routes_to(version):
            continue
        try:
            await _set_override(client, execution, None)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # else it has ended
                logger.warning("The override of workflow %s can't be removed now: %s", execution.id, error.message)


async def _set_override(client: Client, execution: WorkflowExecution, override: VersioningOverride | None) -> None:
    request = UpdateWorkflowExecutionOptionsRequest(
        namespace=client.namespace,
        workflow_execution=ExecutionMessage(workflow_id=execution.id, run_id=execution.run_id),
        workflow_execution_options=WorkflowExecutionOptions(versioning_override=override),
    )
    request.update_mask.paths.append("versioning_override")
    await client.workflow_service.update_workflow_execution_options(request, timeout=_RPC_TIMEOUT)


def _query(task_queue: str, *terms: str) -> str:
    return " AND ".join((f"TaskQueue = {_quoted(task_queue)}", "ExecutionStatus = 'Running'", *terms))


def _ran_on(version: WorkerDeploymentVersion) -> str:
    return f"{PINNED_VERSION.name} = {_quoted(f'{version.deployment_name}:{version.build_id}')}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
