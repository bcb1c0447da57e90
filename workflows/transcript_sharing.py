"""How a workflow hands its transcript to the activities of its own worker process, beside history.

The workflow only gives and never reads back, so replay is not affected; who doesn't find it here asks by query.
"""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow
from temporalio.worker import Interceptor, WorkflowInboundInterceptor, WorkflowInterceptorClassInput

with workflow.unsafe.imports_passed_through():
    from agentkit.specs import AgentSpec
    from agentkit.transcript import Transcript

__all__ = ["REMEMBER", "Handover", "Remember"]

REMEMBER = "opspawn.remember"

Remember = Callable[[str, int, Transcript, AgentSpec], None]
"""Takes task id, transcript version, transcript and agent."""


class Handover(Interceptor):
    """Gives workflows a function to hand their transcripts over with."""

    def __init__(self, remember: Remember) -> None:
        self._remember = remember

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        """Add the function; intercept nothing."""
        input.unsafe_extern_functions[REMEMBER] = self._remember
        return None
