"""The workflow's argument, result, failure and status: payloads that histories hold and clients may rely on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from activities.payload_types import StoredMessages
    from agentkit.input_requests import InputRequest
    from agentkit.messages import Message, StoredContent, Usage
    from agentkit.records import Record
    from agentkit.runtime.effect_ledger import LedgerEntry
    from agentkit.specs import AgentSpec
    from agentkit.transcript import EMPTY_DIGEST

__all__ = [
    "WORKFLOW_TYPE",
    "AnswerVerdict",
    "CarriedState",
    "PendingInput",
    "RunningStatus",
    "TaskFailure",
    "TaskInput",
    "TaskResult",
    "TaskStatus",
    "TaskView",
    "ToolCallLedger",
]

WORKFLOW_TYPE = "AgentTask"

TaskStatus = Literal[
    "queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "terminated", "timed_out"
]
RunningStatus = Literal["queued", "running", "waiting", "paused"]
"""Statuses of a task that has not ended."""


class CarriedState(Record):
    """The workflow's second argument: state that survives continue-as-new."""

    usage: Usage
    steps: int
    started_at: datetime
    stored: tuple[StoredMessages, ...] = ()
    """Where the messages of earlier runs are stored; no history holds them again."""
    stored_digest: str = EMPTY_DIGEST
    """Digest of the transcript after the stored messages."""
    messages: tuple[Message, ...] = ()
    """The messages after the stored ones."""
    plan: tuple[str, ...] = ()
    """The newest plan."""
    fallback_index: int = 0
    """Position in the agent's models of the model in use; those before it have failed for good."""
    retry_count: int = 0
    """How many of the newest responses, in a row, were unusable."""
    repeats: dict[str, int] | None = None
    """In how many steps in a row each call of the newest step was made, by a digest of call and result."""
    kept_results: dict[str, StoredContent] | None = None
    """References to the newest long results, by the id of their call."""

    ledger: tuple[LedgerEntry, ...] = ()
    """The effect ledger: all irreversible calls, and the newest of the others."""
    opened_requests: int = 0
    """How many input requests the task has opened."""

    @property
    def stored_end(self) -> int:
        """Position after the stored messages."""
        return self.stored[-1].end if self.stored else 0


class TaskInput(Record):
    """The workflow's first argument. History holds the agent and the first message here, and nowhere else.

    It is the same in all runs of a task, so a large one is stored once.
    """

    agent: AgentSpec
    message: Message
    """The task's input, as the first message of the transcript."""


class TaskResult(Record):
    """The workflow's result."""

    output: JsonValue
    usage: Usage
    steps: int


class TaskFailure(Record):
    """The first detail of the ``ApplicationError`` that ends a failed task; the error's type names the reason."""

    message: str
    step: int
    usage: Usage


class ToolCallLedger(Record):
    """The result of the ``tool_calls`` query: the effect ledger, oldest call first."""

    tool_calls: tuple[LedgerEntry, ...]


class PendingInput(Record):
    """The result of the ``input_requests`` query: the requests that wait for an answer, oldest first."""

    input_requests: tuple[InputRequest, ...]


class AnswerVerdict(Record):
    """The result of the ``answer_input`` update."""

    is_settled: bool
    """False where more people must approve."""


class TaskView(Record):
    """The result of the ``status`` query."""

    status: TaskStatus
    steps: int
    usage: Usage
    doing: str = ""
    """The current activity, for people, such as ``step 2: asking openai:gpt-5-mini``."""
    plan: tuple[str, ...] = ()
    """The newest plan, of planners that make one."""
    error: str | None = None
