"""The workflow's argument, result, failure and status: payloads that histories hold and clients may rely on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import ConfigDict, Field, JsonValue

    from activities.payload_types import ReplacedVersion, StoredMessages, TranscriptSource
    from agentkit.input_requests import InputRequest
    from agentkit.messages import InputPart, Message, StoredContent, Usage, user_message
    from agentkit.records import Record
    from agentkit.runtime.calls.effect_ledger import LedgerEntry
    from agentkit.runtime.calls.remembered_decisions import RememberedDecision
    from agentkit.runtime.context_watch import ContextState
    from agentkit.specs import AgentSpec, Limits
    from agentkit.transcript import EMPTY_DIGEST

__all__ = [
    "MAX_MESSAGE_CHARS",
    "WORKFLOW_TYPE",
    "AnswerVerdict",
    "CarriedState",
    "LimitsVerdict",
    "MessageMode",
    "MessageVerdict",
    "PendingInput",
    "RunningStatus",
    "SentMessage",
    "StepEnds",
    "TaskFailure",
    "TaskInput",
    "TaskResult",
    "TaskStatus",
    "TaskView",
    "ToolCallLedger",
    "TranscriptSource",
]

WORKFLOW_TYPE = "AgentTask"

MAX_MESSAGE_CHARS = 100_000

TaskStatus = Literal[
    "queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "terminated", "timed_out"
]
RunningStatus = Literal["queued", "running", "waiting", "paused"]
"""Statuses of a task that has not ended."""


MessageMode = Literal["enqueue", "interrupt"]
"""``enqueue``: the model reads the message with its next request. ``interrupt``: the running model call, and the tool
calls that may be cancelled, are cancelled first."""


class SentMessage(Record):
    """A person's message to a running task: the argument of the signal and the update ``send_message``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1, max_length=MAX_MESSAGE_CHARS)
    mode: MessageMode = "enqueue"
    id: str | None = Field(default=None, max_length=255, exclude_if=lambda id: id is None)
    """A message with the id of an earlier one of the same task is that one, and is not delivered twice."""
    sent_by: str | None = Field(default=None, max_length=200, exclude_if=lambda sender: sender is None)
    parts: tuple[InputPart, ...] = Field(default=(), exclude_if=lambda parts: not parts)
    """What the model reads, where it is more than ``text``, which is shown to people then."""
    pinned: bool = Field(default=False, exclude_if=lambda pinned: not pinned)
    """Whether compaction leaves it in the transcript, word for word."""

    @property
    def message(self) -> Message:
        """What the model reads."""
        message = user_message(self.parts or self.text)
        return message.model_copy(update={"pinned": True}) if self.pinned else message


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
    limits: Limits | None = Field(default=None, exclude_if=lambda limits: limits is None)
    """The limits, where people have raised them."""
    remembered: tuple[RememberedDecision, ...] = Field(default=(), exclude_if=lambda decisions: not decisions)
    step_ends: tuple[int, ...] = ()
    """The position after the last message of each finished step, of step 0 or a fork's first one on."""
    is_paused: bool = Field(default=False, exclude_if=lambda is_paused: not is_paused)
    queued_messages: tuple[SentMessage, ...] = Field(default=(), exclude_if=lambda messages: not messages)
    """Messages of people that the model has not read yet."""
    message_ids: tuple[str, ...] = Field(default=(), exclude_if=lambda ids: not ids)
    """The ids of the newest messages, queued or not."""
    open_requests: tuple[InputRequest, ...] = Field(default=(), exclude_if=lambda requests: not requests)
    """Requests to raise a limit that wait for an answer, oldest first."""
    deadline_request: str | None = Field(default=None, exclude_if=lambda request: request is None)
    """The id of the one among them that asks for more time."""
    unsent_notices: tuple[str, ...] = Field(default=(), exclude_if=lambda requests: not requests)
    """The ids of those whose webhook has not been called yet."""
    replaced: tuple[ReplacedVersion, ...] = Field(default=(), exclude_if=lambda versions: not versions)
    """The versions of the transcript that compaction has replaced, oldest first."""
    written: int = Field(default=0, exclude_if=lambda written: not written)
    """How many messages of the newest version compaction wrote."""
    context: ContextState | None = Field(default=None, exclude_if=lambda context: context is None)
    """Whether the transcript is to be shortened."""
    facts: tuple[str, ...] = Field(default=(), exclude_if=lambda facts: not facts)
    """What became of the newest irreversible calls, a line each."""

    @property
    def stored_end(self) -> int:
        """Position after the stored messages."""
        return self.stored[-1].end if self.stored else 0


class TaskInput(Record):
    """The workflow's first argument. History holds the agent and the first message here, and nowhere else.

    It is the same in all runs of a task, so a large one is stored once; only that from the second run on the agent has
    its MCP tools, too, as they were listed at the start of the task.
    """

    agent: AgentSpec
    message: Message
    """The task's input: the first message of the transcript, or the first one after those that it goes on from."""
    source: TranscriptSource | None = Field(default=None, exclude_if=lambda source: source is None)
    """The transcript that the task goes on from, in the workflow that has it: of a turn, its conversation's."""
    copied: tuple[StoredMessages, ...] = Field(default=(), exclude_if=lambda pages: not pages)
    """Of a fork: its own copies of the messages that come before ``message``."""
    copied_digest: str = Field(default=EMPTY_DIGEST, exclude_if=lambda digest: digest == EMPTY_DIGEST)
    """Digest of the transcript after them."""
    first_step: int = Field(default=0, exclude_if=lambda step: step == 0)
    """Of a fork: the last step that it has in common with its source. Its own steps count from there."""
    facts: tuple[str, ...] = Field(default=(), exclude_if=lambda facts: not facts)
    """What became of irreversible calls of earlier turns of its conversation, a line each: compaction keeps them."""
    context: ContextState | None = Field(default=None, exclude_if=lambda context: context is None)
    """Of a turn: whether the transcript is to be shortened, as the turn before it left that."""
    notify: bool = Field(default=False, exclude_if=lambda notify: not notify)
    """Whether a webhook is called for each input request."""
    start_at: datetime | None = Field(default=None, exclude_if=lambda start_at: start_at is None)
    """Not before this time. Temporal starts the workflow then, but an update or a cancellation wakes it before."""

    @property
    def own_start(self) -> int:
        """Position of ``message`` in the transcript."""
        if self.source is not None:
            return self.source.end
        return self.copied[-1].end if self.copied else 0


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
    """The result of the ``answer_input`` update. An answer that isn't accepted fails the update instead: the failure's
    type is the name of the error, such as ``AlreadyAnswered``."""

    is_settled: bool
    """False where more people must approve."""
    asks_again: bool = False
    """Whether the call needs another approval, because its arguments were changed."""


class MessageVerdict(Record):
    """The result of the ``send_message`` update."""

    is_new: bool
    """False where a message of the same id was received before."""


class LimitsVerdict(Record):
    """The result of the ``raise_limits`` update: the task's limits from now on."""

    limits: Limits


class StepEnds(Record):
    """The result of the ``step_ends`` query: where a task can be forked."""

    first_step: int = 0
    """The step of the first position: 0 is the task's input; a fork's is the last that it has in common with its
    source."""
    ends: tuple[int, ...]
    """The position after the last message of each finished step, in order, in the version that it was finished in."""
    replaced: tuple[ReplacedVersion, ...] = Field(default=(), exclude_if=lambda versions: not versions)
    """The versions of the transcript that compaction has replaced, without their pages."""
    written: int = Field(default=0, exclude_if=lambda written: not written)
    """How many messages of the newest version compaction wrote."""

    @property
    def version(self) -> int:
        """The version of the transcript in which the last of these steps was finished."""
        return self.version_of(self.first_step + len(self.ends) - 1)

    def version_of(self, step: int) -> int:
        """Return the version of the transcript in which a step was finished."""
        earlier = sum(version.last_step < step for version in self.replaced)
        return earlier + 1


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
