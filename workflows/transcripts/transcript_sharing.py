"""Share a workflow's transcript with the activities of its own worker process, without going through history.

The workflow only writes and never reads back, so replay is not affected; an activity that doesn't find the transcript
queries it.
"""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow
from temporalio.worker import Interceptor, WorkflowInboundInterceptor, WorkflowInterceptorClassInput

with workflow.unsafe.imports_passed_through():
    from agentkit.specs import AgentSpec
    from agentkit.transcript import Transcript

__all__ = ["SHARE_TRANSCRIPT", "ShareTranscript", "TranscriptSharing"]

SHARE_TRANSCRIPT = "opspawn.share_transcript"
"""Name of the extern function."""

ShareTranscript = Callable[[str, int, Transcript, AgentSpec], None]
"""Takes task id, transcript version, transcript and agent; such as ``TranscriptCache.share``."""


class TranscriptSharing(Interceptor):
    """Gives workflows an extern function to share their transcripts with."""

    def __init__(self, share: ShareTranscript) -> None:
        self._share = share

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        """Add the function; intercept nothing."""
        input.unsafe_extern_functions[SHARE_TRANSCRIPT] = self._share
        return None
