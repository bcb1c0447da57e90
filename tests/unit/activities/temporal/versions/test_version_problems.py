"""What people read where workers poll and tasks don't go on, with commands that work."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio.common import WorkerDeploymentVersion

from activities.temporal.queue_workers import QueueWorkers, VersionRouting
from activities.temporal.task_queue_pollers import Poller
from activities.temporal.versions.version_problems import (
    not_current,
    pinned_without_workers,
    unserved_queue,
    unserved_tasks,
)

V1, V2 = WorkerDeploymentVersion("shop", "v1"), WorkerDeploymentVersion("shop", "v2")


def test_workers_that_are_not_current_are_told_how_to_become_it() -> None:
    assert not_current(V2, VersionRouting(V1)) == (
        "Workers of version v2 of shop get no new tasks: those are for workers of version v1 of shop. "
        "Change that: `opspawn workers set-current v2`"
    )
    assert not_current(None, VersionRouting(V1)).endswith("`opspawn workers set-current --unversioned`")


def test_a_task_queue_has_a_problem_only_where_workers_poll_and_none_gets_tasks() -> None:
    poller = Poller("worker", datetime.now(UTC), V1)
    assert unserved_queue(QueueWorkers(), "shop") is None
    assert unserved_queue(QueueWorkers((poller,), VersionRouting(V1)), "shop") is None
    problem = unserved_queue(QueueWorkers((poller,), VersionRouting()), "shop")
    assert problem is not None
    assert problem.startswith("Task queue 'shop': workers of version v1 of shop get no new tasks")


def test_a_share_of_new_tasks_without_workers_is_a_problem_of_these_only() -> None:
    poller = Poller("worker", datetime.now(UTC), V1)
    queue = QueueWorkers((poller,), VersionRouting(V1, V2, 5.0))
    assert unserved_queue(queue, "shop") is None
    problem = unserved_tasks(queue, "shop")
    assert problem is not None
    assert problem.startswith("Task queue 'shop': 5 % of the new tasks are for workers of version v2 of shop, and none")


def test_tasks_of_a_version_without_workers_are_told_how_to_move() -> None:
    assert "the task is pinned to it" in pinned_without_workers(V1)
    assert "3 open are pinned to it" in pinned_without_workers(V1, 3)
    assert pinned_without_workers(V1).endswith("`opspawn workers drain v1`")
