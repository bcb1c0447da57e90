"""Run the activity that shortens a transcript, and replace the transcript by the new version."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.failure_mapping import model_error_from
    from activities.payload_types import COMPACT_ACTIVITY, CompactedTranscript, CompactionCall
    from activities.retry_policies import COMPACTION_POLICY
    from agentkit.interfaces import CompactionReason
    from agentkit.runtime.loop import AgentLoop
    from workflows.listing.journal import CompactedEntry
    from workflows.transcripts.transcript_versions import TranscriptVersions

__all__ = ["run_compaction"]


async def run_compaction(
    loop: AgentLoop, versions: TranscriptVersions, reason: CompactionReason, attempt: int
) -> CompactedEntry | None:
    """Shorten the transcript; return the journal's entry, or None if it can't be shortened any more.

    Raises:
        MessageTooLong: the messages that must be kept are too long.
        OpspawnError: the activity failed; a later attempt may succeed.
        ActivityError: the task was cancelled.
    """
    transcript, composed = loop.transcript, loop.composed_messages
    task_id, end = workflow.info().workflow_id, len(transcript)
    call = CompactionCall(
        task_id=task_id,
        step=loop.steps,
        agent_hash=loop.agent.hash,
        model=loop.model,
        reason=reason,
        attempt=attempt,
        segments=(versions.segment(task_id, transcript, end - len(composed)),),
        composed_messages=composed,
        stored_end=transcript.start,
        context=loop.context.state.due,
        facts=loop.facts,
    )
    compacted = await _run_activity(call, f"Shorten the transcript of {end} messages for {loop.model}")
    if not compacted.pages:
        loop.add_usage(compacted.usage)
        return None
    loop.replace_transcript(versions.replace(transcript, compacted, loop.last_finished_step), compacted.usage)
    return CompactedEntry(
        step=loop.steps,
        reason=reason,
        version=versions.number,
        messages_before=end,
        messages_after=compacted.end,
        tokens_before=compacted.tokens_before,
        tokens_after=compacted.tokens_after,
        usage=compacted.usage,
    )


async def _run_activity(call: CompactionCall, summary: str) -> CompactedTranscript:
    try:
        compacted: CompactedTranscript = await workflow.execute_activity(
            COMPACT_ACTIVITY,
            call,
            result_type=CompactedTranscript,
            start_to_close_timeout=COMPACTION_POLICY.start_to_close,
            heartbeat_timeout=COMPACTION_POLICY.heartbeat,
            retry_policy=COMPACTION_POLICY.retry,
            summary=summary,
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        raise model_error_from(error) from error
    return compacted
