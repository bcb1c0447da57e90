"""How far the erasure of a task or a conversation is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from temporalio.api.failure.v1 import Failure
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.converter import DataConverter
from temporalio.exceptions import FailureError

from activities.erasure_payloads import ERASES_MEMORIES_MEMO, ERASURE_TYPES
from activities.memory.memory_queries import (
    ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY,
    ERASE_MEMORIES_OF_TASK_ACTIVITY,
)
from api.tasks.errors import PayloadUnavailable
from api.tasks.payload_decoding import decode_failure

__all__ = ["ErasureProgress", "erases_memories", "erasure_problem"]

_MAX_PROBLEM_CHARS = 1000

_MEMORY_ACTIVITIES = (ERASE_MEMORIES_OF_TASK_ACTIVITY, ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY)


@dataclass(frozen=True, slots=True)
class ErasureProgress:
    """The response to the erasure of a task or a conversation."""

    id: str
    status: Literal["erasing", "erased"]
    """``erased``: nothing is left of it but its id."""
    memories: int | None = None
    """How many memories were erased; None: that was not requested."""
    waiting_for_worker: bool = False
    """Whether no worker runs that could go on with it."""
    problem: str | None = None
    """Why it doesn't get on, such as how it failed last; it is tried again and again. None: nothing has failed."""


def erases_memories(execution: WorkflowExecutionDescription) -> bool:
    """Return whether a workflow is an erasure that erases memories at its end, or has done so."""
    memo = execution.raw_description.workflow_execution_info.memo
    return execution.workflow_type in ERASURE_TYPES and ERASES_MEMORIES_MEMO in memo.fields


async def erasure_problem(erasure: WorkflowExecutionDescription, converter: DataConverter) -> str | None:
    """Return why an erasure doesn't get on: how its activity failed last. None if it hasn't failed, or has ended.

    ``converter`` decodes its payloads.
    """
    if erasure.status is not WorkflowExecutionStatus.RUNNING:
        return None
    for pending in erasure.raw_description.pending_activities:
        if pending.HasField("last_failure"):
            return await _text(pending.last_failure, converter)
        if pending.activity_type.name in _MEMORY_ACTIVITIES and not pending.last_worker_identity:
            return "It waits for a worker that serves long-term memory."
    return None


async def _text(failure: Failure, converter: DataConverter) -> str:
    copy = Failure()
    copy.CopyFrom(failure)  # decoding changes it
    try:
        error = await decode_failure(converter, copy)
    except PayloadUnavailable as unavailable:
        error = unavailable
    return (error.message if isinstance(error, FailureError) else str(error))[:_MAX_PROBLEM_CHARS]
