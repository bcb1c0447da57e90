"""The sandbox that workflows run in. It refuses modules that are passed through unintentionally."""

from __future__ import annotations

import dataclasses

from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from workflows.early_events import StartedTasksRunner

__all__ = ["sandboxed_runner"]


class _DirectContextsRunner(StartedTasksRunner):
    """Returns the contexts of payloads (of which workflow or activity they are) without entering the sandbox.

    The SDK enters it three to four times for each payload of a workflow task, and compiles a line of code each time,
    which takes a sixth of the CPU time of a step. The attributes that are read here are private to the SDK.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Create a workflow instance in the sandbox."""
        instance = super().create_instance(det)
        inside = vars(instance)["globals_and_locals"]["__temporal_in_sandbox"]
        instance.get_serialization_context = inside.get_serialization_context  # type: ignore[method-assign]
        instance.get_external_store_context = inside.get_external_store_context  # type: ignore[method-assign]
        return instance


def sandboxed_runner() -> SandboxedWorkflowRunner:
    """Return a workflow runner that raises on unintentional passthrough: reloading a module costs each start 14 ms.

    Our own workflow modules are passed through, too: they keep no state. The sandbox doesn't see when these read the
    clock or make random numbers; ``tests/unit/workflows/test_determinism.py`` does.
    """
    policy = (
        SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
        | SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    )
    restrictions = dataclasses.replace(
        SandboxRestrictions.default.with_passthrough_modules("workflows"), import_notification_policy=policy
    )
    return _DirectContextsRunner(restrictions=restrictions)
