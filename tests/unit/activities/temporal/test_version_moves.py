"""Which workflows are moved from a version."""

from __future__ import annotations

from temporalio.common import WorkerDeploymentVersion

from activities.temporal.version_moves import pinned_query


def test_only_open_workflows_that_are_pinned_to_the_version_are_moved() -> None:
    query = pinned_query(WorkerDeploymentVersion("o'shop", "v1"), ["OpspawnTenant = 'acme'"])
    assert query == (
        "TemporalWorkerDeploymentVersion = 'o''shop:v1' AND TemporalWorkflowVersioningBehavior = 'Pinned' "
        "AND ExecutionStatus = 'Running' AND OpspawnTenant = 'acme'"
    )
