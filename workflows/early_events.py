"""Refuse to apply events before their workflow task has started: a fault of Temporal's SDK.

A query to a workflow that a worker doesn't have in its cache makes the worker replay it. Where an event, such as an
activity's end, is in history then, but its workflow task hasn't started, the SDK applies it with the time and the flags
of the workflow task before, and keeps the workflow so in its cache. What the workflow decides by them, such as whether
a deadline has passed or whether to continue as new, a later replay decides otherwise: a nondeterminism error, which
stops the workflow.
"""

from __future__ import annotations

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.temporal.workflow_queries import EARLY_EVENTS

__all__ = ["StartedTasksRunner"]

_UNCHANGING = ("query_workflow", "remove_from_cache")
"""The jobs of an activation that don't change the workflow."""


class StartedTasksRunner(SandboxedWorkflowRunner):
    """Runs workflows in the sandbox, and refuses events whose workflow task hasn't started.

    That fails the query, and evicts the workflow from the cache; ``query_workflow`` asks again.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Create a workflow instance; its ``activate`` refuses such events."""
        instance = super().create_instance(det)
        activate, tasks = instance.activate, _StartedTasks()

        def activate_if_started(act: WorkflowActivation) -> WorkflowActivationCompletion:
            if not tasks.has_started(act):
                completion = WorkflowActivationCompletion(run_id=act.run_id)
                completion.failed.failure.message = EARLY_EVENTS
                return completion
            return activate(act)

        instance.activate = activate_if_started  # type: ignore[method-assign]
        return instance


class _StartedTasks:
    """Tells from its activations whether the newest workflow task of a run has started.

    The start of a workflow task is an event, and its time is that of the activations after it.
    """

    def __init__(self) -> None:
        self._time_ns = -1
        self._events = 0

    def has_started(self, act: WorkflowActivation) -> bool:
        """Return False where an activation has new events and the time of the workflow task before."""
        time_ns, has_events = act.timestamp.ToNanoseconds(), act.history_length > self._events
        is_early = has_events and time_ns == self._time_ns and not act.is_replaying
        self._time_ns, self._events = time_ns, act.history_length
        return not is_early or all(job.WhichOneof("variant") in _UNCHANGING for job in act.jobs)
