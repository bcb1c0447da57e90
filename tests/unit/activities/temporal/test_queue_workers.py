"""Which workers of a task queue get the tasks of a workflow."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import WorkflowExecution
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkerDeploymentVersion

from activities.temporal.queue_workers import (
    PINNED_VERSION,
    VERSIONING_BEHAVIOR,
    QueueWorkers,
    VersionRouting,
    pinned_version,
)
from activities.temporal.task_queue_pollers import Poller

V1, V2 = WorkerDeploymentVersion("shop", "v1"), WorkerDeploymentVersion("shop", "v2")


def workers(routing: VersionRouting, *versions: WorkerDeploymentVersion | None) -> QueueWorkers:
    """Return a task queue with a worker of each version."""
    now = datetime.now(UTC)
    return QueueWorkers(tuple(Poller(f"worker of {version}", now, version) for version in versions), routing)


def serving(queue: QueueWorkers, version: WorkerDeploymentVersion | None) -> list[WorkerDeploymentVersion | None]:
    """Return the versions of the workers that get the tasks."""
    return [poller.version for poller in queue.serving(version)]


@pytest.mark.parametrize(
    ("routing", "pinned", "expected"),
    [
        (VersionRouting(), None, [None]),
        (VersionRouting(), V1, [V1]),
        (VersionRouting(V1), None, [V1]),
        (VersionRouting(V1, V2, 5.0), None, [V1, V2]),
        (VersionRouting(V1, None, 5.0), None, [V1, None]),
        (VersionRouting(V2), V1, [V1]),
    ],
    ids=["unversioned", "pinned", "current", "ramping", "ramping to unversioned", "pinned to an old version"],
)
def test_workers_get_the_tasks_of_their_version(
    routing: VersionRouting, pinned: WorkerDeploymentVersion | None, expected: list[WorkerDeploymentVersion | None]
) -> None:
    assert serving(workers(routing, V1, V2, None), pinned) == expected


@pytest.mark.parametrize(
    ("routing", "polling", "expected"),
    [
        (VersionRouting(V1), [V1], {}),
        (VersionRouting(V1), [V2], {V1: 100}),
        (VersionRouting(V1, V2, 5.0), [V2], {V1: 95}),
        (VersionRouting(V1, V2, 5.0), [V1], {V2: 5}),
        (VersionRouting(V1, V2, 100.0), [V2], {}),
    ],
    ids=["current", "only another", "current is missing", "ramping is missing", "all is ramping"],
)
def test_each_version_that_gets_new_tasks_needs_a_worker(
    routing: VersionRouting,
    polling: list[WorkerDeploymentVersion | None],
    expected: dict[WorkerDeploymentVersion | None, float],
) -> None:
    assert workers(routing, *polling).unserved_shares == expected


def test_deployments_and_versions_are_those_of_routing_and_of_all_that_poll() -> None:
    other = WorkerDeploymentVersion("store", "v1")
    queue = workers(VersionRouting(V2), V1, other, None)
    assert queue.deployments("own") == ("shop", "store", "own")
    assert queue.with_build_id("v1") == (V1, other)


def test_a_process_of_this_machine_that_has_ended_serves_no_pinned_task() -> None:
    gone = Poller(f"{2**22 + 1}@{socket.gethostname()}/shop", datetime.now(UTC), V1)
    assert QueueWorkers((gone,), VersionRouting(V1)).serving(V1) == ()


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, None),
        ({PINNED_VERSION: "shop:v1", VERSIONING_BEHAVIOR: "AutoUpgrade"}, None),
        ({PINNED_VERSION: "shop:v1", VERSIONING_BEHAVIOR: "Pinned"}, V1),
    ],
    ids=["unversioned", "overridden", "pinned"],
)
def test_only_pinned_workflows_need_a_version(
    attributes: dict[Any, str], expected: WorkerDeploymentVersion | None
) -> None:
    pairs = [SearchAttributePair(key, value) for key, value in attributes.items()]
    execution = SimpleNamespace(typed_search_attributes=TypedSearchAttributes(pairs))
    assert pinned_version(cast(WorkflowExecution, execution)) == expected
