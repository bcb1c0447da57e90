"""The version under which workers of this release poll."""

from __future__ import annotations

from importlib import metadata

from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

__all__ = ["DEPLOYMENT_VERSION"]

DEPLOYMENT_VERSION = WorkerDeploymentConfig(
    version=WorkerDeploymentVersion("opspawn", metadata.version("opspawn")), use_worker_versioning=False
)
"""Without a version of its own the SDK hashes every loaded module at each start, which takes up to 2 s."""
