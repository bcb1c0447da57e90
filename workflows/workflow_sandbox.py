"""The sandbox that workflows run in: modules that slip in unmeant are an error, not a cost at every start."""

from __future__ import annotations

import dataclasses

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

__all__ = ["sandboxed"]


def sandboxed() -> SandboxedWorkflowRunner:
    """Return a workflow runner that raises on unintentional passthrough."""
    policy = (
        SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
        | SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    )
    restrictions = dataclasses.replace(SandboxRestrictions.default, import_notification_policy=policy)
    return SandboxedWorkflowRunner(restrictions=restrictions)
