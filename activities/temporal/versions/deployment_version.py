"""The worker deployment version under which a worker polls; without a build id it is unversioned."""

from __future__ import annotations

from importlib import metadata

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

from activities.settings import Settings

__all__ = ["UNVERSIONED", "own_version", "task_deployment"]

UNVERSIONED = WorkerDeploymentConfig(
    version=WorkerDeploymentVersion("opspawn", metadata.version("opspawn")), use_worker_versioning=False
)
"""Without a version of its own the SDK hashes every loaded module at each start, which takes up to 2 s.

For workers that serve tasks of all versions, too: Temporal gives an activity on a task queue that the version of its
workflow doesn't poll to the unversioned workers of that queue.
"""


def own_version(settings: Settings) -> WorkerDeploymentVersion | None:
    """Return the version of this process's workers; None: they are unversioned."""
    return None if settings.build_id is None else WorkerDeploymentVersion(settings.deployment, settings.build_id)


def task_deployment(settings: Settings) -> WorkerDeploymentConfig:
    """Return how the worker of tasks polls: with a build id, each workflow is pinned to the version that it started on.

    Workflows have no behavior of their own, because that would fail on unversioned workers.
    """
    if (version := own_version(settings)) is None:
        return UNVERSIONED
    return WorkerDeploymentConfig(
        version=version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.PINNED
    )
