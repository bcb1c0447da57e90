"""Long-term memory of a task: recall memories before its first step, and extract some at its end."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.memory.memory_payloads import (
        EXTRACT_MEMORIES_ACTIVITY,
        RECALL_MEMORIES_ACTIVITY,
        ExtractionCall,
        ExtractionResult,
        RecallCall,
        RecallResult,
    )
    from activities.retry_policies import EXTRACT_MEMORIES_POLICY, RECALL_MEMORIES_POLICY
    from agentkit.interfaces import DEFAULT_TENANT, MemoryScope, memory_task_queue
    from agentkit.runtime.limit_requests import reached_limit
    from agentkit.runtime.loop import AgentLoop
    from agentkit.specs import AgentSpec
    from workflows.search_attributes import MEMO_USER, TENANT
    from workflows.transcripts.transcript_versions import TranscriptVersions

__all__ = ["extract_memories", "memory_scope", "recall_memories"]


def memory_scope(agent: AgentSpec) -> MemoryScope:
    """Return the scope of the memories that the task reads and writes."""
    user: str | None = workflow.memo_value(MEMO_USER, None, type_hint=str)
    tenant = workflow.info().typed_search_attributes.get(TENANT) or DEFAULT_TENANT
    kind = "user" if agent.memory is None else agent.memory.scope
    return MemoryScope.of(kind, user=user, agent=agent.name, tenant=tenant)


async def recall_memories(loop: AgentLoop, versions: TranscriptVersions) -> None:
    """Append a message with the memories that fit a person's newest message, if the agent's ``memory.recall`` is set.

    If memory can't be reached in time, the task continues without them.

    Raises:
        ActivityError: the task was cancelled.
    """
    memory = loop.agent.memory
    if memory is None or not memory.recall:
        return
    task_id, policy = workflow.info().workflow_id, RECALL_MEMORIES_POLICY
    call = RecallCall(
        scope=memory_scope(loop.agent),
        segments=(versions.segment(task_id, loop.transcript, len(loop.transcript)),),
        limit=memory.recall,
        max_tokens=memory.max_tokens,
    )
    try:
        result: RecallResult = await workflow.execute_activity(
            RECALL_MEMORIES_ACTIVITY,
            call,
            result_type=RecallResult,
            task_queue=memory_task_queue(workflow.info().task_queue),
            start_to_close_timeout=policy.start_to_close,
            schedule_to_close_timeout=policy.schedule_to_close,
            heartbeat_timeout=policy.heartbeat,
            retry_policy=policy.retry,
            summary="Recall memories",
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        workflow.logger.warning("The task goes on without memories: %s", error.cause)
        return
    if result.message is not None:
        loop.append_messages([result.message])


async def extract_memories(loop: AgentLoop, versions: TranscriptVersions) -> None:
    """Extract facts of the task by a model, if the agent's ``memory.extract`` is set and no limit is reached.

    Failures are logged, and a cancellation only ends this: the task has its output already.
    """
    memory = loop.agent.memory
    # Its model call is no step.
    if memory is None or not memory.extract or reached_limit(loop.limits, loop.usage, steps=0) is not None:
        return
    try:
        result = await _extract(loop, versions)
    except asyncio.CancelledError:
        return
    except ActivityError as error:
        workflow.logger.warning("Nothing is remembered of the task: %s", error.cause)
        return
    loop.add_usage(result.usage)


async def _extract(loop: AgentLoop, versions: TranscriptVersions) -> ExtractionResult:
    task_id, policy, transcript = workflow.info().workflow_id, EXTRACT_MEMORIES_POLICY, loop.transcript
    segment = versions.segment(task_id, transcript, len(transcript))
    start = versions.common_end if versions.number == 1 else 0
    result: ExtractionResult = await workflow.execute_activity(
        EXTRACT_MEMORIES_ACTIVITY,
        ExtractionCall(
            task_id=task_id,
            scope=memory_scope(loop.agent),
            segments=(segment.model_copy(update={"start": start}),),
            model=loop.model,
        ),
        result_type=ExtractionResult,
        task_queue=memory_task_queue(workflow.info().task_queue),
        start_to_close_timeout=policy.start_to_close,
        schedule_to_start_timeout=policy.schedule_to_start,
        schedule_to_close_timeout=policy.schedule_to_close,
        heartbeat_timeout=policy.heartbeat,
        retry_policy=policy.retry,
        summary=f"Ask {loop.model} what to remember",
    )
    return result
