"""Which workflows are moved from a version."""

from __future__ import annotations

from temporalio.common import WorkerDeploymentVersion

from activities.temporal.versions.version_moves import pinned_query


def test_only_open_workflows_of_the_task_queue_that_are_pinned_to_the_version_are_moved() -> None:
    query = pinned_query(WorkerDeploymentVersion("o'shop", "v1"), "o'queue", ["OpspawnTenant = 'acme'"])
    assert query == (
        "TaskQueue = 'o\\'queue' AND ExecutionStatus = 'Running' AND TemporalWorkerDeploymentVersion = 'o\\'shop:v1' "
        "AND TemporalWorkflowVersioningBehavior = 'Pinned' AND OpspawnTenant = 'acme'"
    )
