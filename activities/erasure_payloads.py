"""The payloads and names of erasures; histories store both. None of them has content of a user."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from agentkit.records import Record

__all__ = [
    "CONVERSATION_ERASURE",
    "ERASES_MEMORIES_MEMO",
    "ERASE_ACTIVITY",
    "ERASE_MEMORIES_SIGNAL",
    "ERASURE_TYPES",
    "MAX_LATE_TASKS",
    "TASK_ERASURE",
    "ConversationReference",
    "ErasureRequest",
    "ErasureSweep",
    "MemoryCount",
    "SweptExecutions",
    "TaskReference",
]

TASK_ERASURE = "TaskErasure"
CONVERSATION_ERASURE = "ConversationErasure"
ERASURE_TYPES = (TASK_ERASURE, CONVERSATION_ERASURE)
"""The types of the workflows that erase, and then keep the id of what they erased from being used again."""

ERASE_ACTIVITY = "erase_executions"

ERASE_MEMORIES_SIGNAL = "erase_memories"
"""Has a running erasure erase memories after its last sweep, as ``ErasureRequest.memories`` does."""

ERASES_MEMORIES_MEMO = "erases_memories"
"""A field of the memo of an erasure; it is set if the erasure erases memories after its last sweep, or has done so."""

MAX_LATE_TASKS = 50
"""The most tasks that were running when they were erased whose payloads are erased once more at the end."""


class ErasureRequest(Record):
    """The argument of an erasure, whose workflow id is that of the task or conversation that it erases."""

    run_id: str | None = Field(default=None, exclude_if=lambda run_id: run_id is None)
    """The newest run of it; None: only Temporal's lists tell its runs."""
    last_sweep_after: datetime
    """When no activity of it can store anything any more: payloads are erased once more after that."""
    grace_s: float
    """The same for tasks of it that still run: seconds after they are ended."""
    late_tasks: tuple[str, ...] = Field(default=(), exclude_if=lambda tasks: not tasks)
    """When the erasure continues as new: the tasks that were running when they were erased."""
    memories: bool = Field(default=False, exclude_if=lambda memories: not memories)
    """Whether its memories are erased after the last sweep: some may have been written since the request erased them.
    ``ERASE_MEMORIES_SIGNAL`` sets it later."""


class ErasureSweep(Record):
    """The argument of ``erase_executions``."""

    workflow_id: str
    run_id: str | None = Field(default=None, exclude_if=lambda run_id: run_id is None)
    grace_s: float
    late_tasks: tuple[str, ...] = Field(default=(), exclude_if=lambda tasks: not tasks)
    """Tasks of it that earlier sweeps found running: what they have stored since is erased."""


class SweptExecutions(Record):
    """The result of ``erase_executions``."""

    remaining: int
    """Number of runs that Temporal still had; it deletes them soon."""
    late_tasks: tuple[str, ...] = Field(default=(), exclude_if=lambda tasks: not tasks)
    """Other tasks that were running, or had ended less than ``grace_s`` before; ``MAX_LATE_TASKS`` at most."""


class TaskReference(Record):
    """A task whose memories are meant, in all scopes of its tenant."""

    tenant: str
    task_id: str


class ConversationReference(Record):
    """A conversation: the memories of all its turns are meant, in all scopes of its tenant."""

    tenant: str
    conversation_id: str


class MemoryCount(Record):
    """How many memories were erased or indexed."""

    count: int
    kind: Literal["erased", "indexed"]
