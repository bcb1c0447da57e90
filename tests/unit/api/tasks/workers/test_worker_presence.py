"""Why no worker takes a workflow's tasks."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

from temporalio.client import WorkflowExecution
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkerDeploymentVersion

from activities.temporal.queue_workers import PINNED_VERSION, VERSIONING_BEHAVIOR, QueueWorkers, VersionRouting
from activities.temporal.task_queue_pollers import Poller
from api.tasks.workers.worker_presence import version_problem

V1, V2 = WorkerDeploymentVersion("shop", "v1"), WorkerDeploymentVersion("shop", "v2")


def problem(routing: VersionRouting, *polling: WorkerDeploymentVersion) -> str | None:
    """Return the problem of a task that is pinned to ``V1``."""
    pairs = [SearchAttributePair(PINNED_VERSION, "shop:v1"), SearchAttributePair(VERSIONING_BEHAVIOR, "Pinned")]
    execution = SimpleNamespace(typed_search_attributes=TypedSearchAttributes(pairs), task_queue="shop")
    pollers = tuple(Poller(f"worker of {version}", datetime.now(UTC), version) for version in polling)
    return version_problem(cast(WorkflowExecution, execution), QueueWorkers(pollers, routing))


def test_a_pinned_task_needs_workers_of_its_version() -> None:
    assert problem(VersionRouting(V2), V1) is None
    assert problem(VersionRouting(V1)) is None  # it waits for a worker as any task does
    drain, start = problem(VersionRouting(V2), V2), problem(VersionRouting(V1), V2)
    assert drain is not None
    assert drain.endswith("`opspawn workers drain v1`")
    assert start is not None
    assert start.endswith("start a worker of it.")
