"""Payloads and names of the conversation workflow's arguments, updates, signals and queries; histories store both."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import ConfigDict, Field, StringConstraints, model_validator

    from activities.conversations.conversation_payloads import CopiedTranscript
    from activities.payload_types import StoredMessages, TranscriptSource
    from agentkit.messages import Message, Usage
    from agentkit.records import Record
    from agentkit.runtime.context_watch import ContextState
    from agentkit.specs import AgentSpec
    from agentkit.transcript import EMPTY_DIGEST
    from workflows.task_types import TaskStatus

__all__ = [
    "CHANGE_CONVERSATION",
    "CONVERSATION_QUERY",
    "CONVERSATION_TYPE",
    "DELETE_CONVERSATION",
    "MAX_QUEUED_MESSAGES",
    "MAX_TURNS_IN_DETAIL",
    "MEMO_CONVERSATION",
    "SEND_TO_CONVERSATION",
    "TURNS_QUERY",
    "CarriedConversation",
    "ConversationChanges",
    "ConversationFork",
    "ConversationInput",
    "ConversationMessage",
    "ConversationResult",
    "ConversationStatus",
    "ConversationSummary",
    "ConversationView",
    "KnownMessage",
    "MessageOutcome",
    "OnBusy",
    "SendVerdict",
    "Turn",
    "TurnPage",
    "TurnRange",
    "VersionOfConversation",
    "turn_task_id",
]

CONVERSATION_TYPE = "Conversation"
"""The workflow type. Its id is ``conversation-...``; it runs on the task queue of its tasks."""

SEND_TO_CONVERSATION = "send_message"
"""Update and signal: takes a ``ConversationMessage``; the update returns a ``SendVerdict``.

It fails with an ``ApplicationError`` of the type ``ConversationBusy``, ``ConversationEnded``,
``MessageConflict`` or ``SteeringInvalid``."""
CHANGE_CONVERSATION = "change"
"""Update and signal: takes ``ConversationChanges``; the update returns a ``ConversationView``."""
DELETE_CONVERSATION = "delete"
"""Signal without an argument: cancel the running turn, drop queued messages, and complete with status ``deleted``."""
CONVERSATION_QUERY = "conversation"
"""Returns a ``ConversationView``."""
TURNS_QUERY = "turns"
"""Takes a ``TurnRange``; returns a ``TurnPage``. The query ``transcript`` is that of a task."""

MEMO_CONVERSATION = "conversation"
"""The memo key of a ``ConversationSummary``. Other memo keys are those of a task: title, user, metadata, usage (of all
turns) and body_hash. Search attributes: OpspawnStatus (a ``ConversationStatus``), OpspawnAgent, OpspawnTenant and
OpspawnTags. Its turns have OpspawnConversationId; the conversation itself does not."""

MAX_QUEUED_MESSAGES = 100
MAX_TURNS_IN_DETAIL = 1_000
"""Number of newest turns that can be listed and forked, and of newest messages whose ids are known."""

OnBusy = Literal["reject", "enqueue", "interrupt"]
"""How a message is treated while a turn runs. ``reject``: it is refused. ``enqueue``: it gets a turn of its own, after
the running one and those that are queued. ``interrupt``: the running turn reads it at once."""

ConversationStatus = Literal["idle", "running", "expired", "deleted"]
"""A conversation is ``running``, too, while its turn waits for a person: only the turn's task knows that."""

MessageOutcome = Literal["started", "queued", "delivered"]
"""``started``: it is the input of a turn whose task has started. ``queued``: it will be the input of a later turn.
``delivered``: it was sent to the running turn's task."""


_INPUT_TYPES = ("text", "image", "file")


def turn_task_id(conversation_id: str, message_id: str) -> str:
    """Return the id of the task of the turn that a message starts."""
    return f"{conversation_id}-{message_id}"


class ConversationMessage(Record):
    """A person's message to a conversation: the argument of ``send_message``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    """Unique in the conversation: a second message with the same id is taken as a repetition. See ``turn_task_id``."""
    agent: AgentSpec
    """The agent of the turn, with the model, limits and output schema that the request asks for. It has no effect
    if a running turn reads the message."""
    message: Message
    title: str = Field(default="", max_length=200)
    """Of the turn's task, for lists."""
    on_busy: OnBusy | None = Field(default=None, exclude_if=lambda on_busy: on_busy is None)
    """None: the conversation's ``on_busy``."""
    sent_by: str | None = Field(default=None, max_length=200, exclude_if=lambda sender: sender is None)
    tags: tuple[str, ...] = Field(default=(), exclude_if=lambda tags: not tags)
    """Of the turn's task."""
    metadata: dict[str, str] = Field(default_factory=dict, exclude_if=lambda metadata: not metadata)
    """Of the turn's task."""
    body_hash: str | None = Field(default=None, max_length=100, exclude_if=lambda digest: digest is None)
    """SHA-256 of the request: another message of the same id and another hash is refused (``MessageConflict``)."""
    notify: bool = Field(default=False, exclude_if=lambda notify: not notify)
    """Whether a webhook is called for each input request of the turn."""

    @model_validator(mode="after")
    def _from_a_person(self) -> Self:
        parts = self.message.parts
        if self.message.role != "user" or not parts or any(part.type not in _INPUT_TYPES for part in parts):
            raise ValueError("expected a message with the role user, and text, images or files in it")
        return self


class ConversationFork(Record):
    """The conversation and turn that a conversation was forked from."""

    conversation_id: str
    turn: int
    """The last turn that they have in common."""


class ConversationInput(Record):
    """The workflow's first argument."""

    agent: str
    """The name of the agent for messages that name none."""
    model: str | None = Field(default=None, exclude_if=lambda model: model is None)
    """``provider:name``, instead of the agent's own."""
    title: str = ""
    user: str | None = Field(default=None, exclude_if=lambda user: user is None)
    """The user whose long-term memory all turns use."""
    tags: tuple[str, ...] = Field(default=(), exclude_if=lambda tags: not tags)
    metadata: dict[str, str] = Field(default_factory=dict, exclude_if=lambda metadata: not metadata)
    tenant: str = "default"
    on_busy: OnBusy = "reject"
    idle_expiry: float | None = Field(default=None, exclude_if=lambda seconds: seconds is None)
    """The conversation ends this many seconds after its newest turn has ended; None: never."""
    fork: ConversationFork | None = Field(default=None, exclude_if=lambda fork: fork is None)
    copied: CopiedTranscript | None = Field(default=None, exclude_if=lambda copied: copied is None)
    """Of a fork: its messages up to the end of that turn. They were copied before it started: so it never needs its
    source, which may be erased at any time."""
    message: ConversationMessage | None = Field(default=None, exclude_if=lambda message: message is None)
    """The first message, if it came with the request for the conversation."""


class ConversationChanges(Record):
    """The argument of ``change``; what is left out stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str | None = Field(default=None, max_length=200)
    agent: str | None = None
    model: str | None = None
    """``provider:name``; an empty text: the agent's own."""
    on_busy: OnBusy | None = None


class SendVerdict(Record):
    """The result of the update ``send_message``."""

    task_id: str
    """The task of the turn that responds to the message: its own turn, or the running one that reads it."""
    outcome: MessageOutcome
    is_new: bool
    """False where the message was received before."""


class Turn(Record):
    """A person's message, and the task that responds to it."""

    number: int
    """From 1; those of a fork follow those that it has in common with its source."""
    task_id: str
    message_id: str
    status: TaskStatus
    """``running`` until the turn has ended, also while its task waits for a person."""
    agent: str
    model: str
    """``provider:name``: the first of the agent's models."""
    input: str
    """Shortened; the transcript has the complete text."""
    output: str | None = Field(default=None, exclude_if=lambda output: output is None)
    """Shortened; JSON where it isn't text."""
    error: str | None = Field(default=None, exclude_if=lambda error: error is None)
    """The reason, shortened, where the task failed."""
    started_at: datetime
    ended_at: datetime | None = Field(default=None, exclude_if=lambda time: time is None)
    version: int = Field(default=1, exclude_if=lambda version: version == 1)
    """The version of the conversation's transcript that the next two belong to."""
    end: int | None = Field(default=None, exclude_if=lambda end: end is None)
    """Position in the transcript after the turn's last message; None while it runs."""
    digest: str = EMPTY_DIGEST
    """Digest of the transcript up to ``end``."""

    def source(self, conversation_id: str) -> TranscriptSource | None:
        """Return the conversation's transcript up to the end of this turn; None while it runs."""
        if self.end is None:
            return None
        return TranscriptSource(workflow_id=conversation_id, version=self.version, end=self.end, digest=self.digest)


class TurnRange(Record):
    """The argument of the query ``turns``."""

    after: int = 0
    """The page starts with the turn after this number."""
    limit: int = 50


class TurnPage(Record):
    """The result of the query ``turns``: turns by number, the running one last."""

    turns: tuple[Turn, ...]
    total: int
    """The number of the newest turn."""


class ConversationSummary(Record):
    """What lists show of a conversation beside its search attributes and other memo keys."""

    model: str | None = Field(default=None, exclude_if=lambda model: model is None)
    on_busy: OnBusy = "reject"
    turns: int = 0
    """Turns that have started, those in common with a fork's source included."""
    current_task_id: str | None = Field(default=None, exclude_if=lambda task_id: task_id is None)
    """Of the running turn."""
    queued: int = 0
    """Messages that wait for a turn of their own."""
    created_at: datetime | None = Field(default=None, exclude_if=lambda time: time is None)
    """None: when the workflow started."""
    updated_at: datetime | None = None
    """When a turn started or ended, or something was changed; None: when the workflow started."""
    expires_at: datetime | None = Field(default=None, exclude_if=lambda time: time is None)
    """None: never, or a turn runs."""
    forked_from: ConversationFork | None = Field(default=None, exclude_if=lambda fork: fork is None)


class ConversationView(ConversationSummary):
    """The result of the query ``conversation``."""

    status: ConversationStatus
    agent: str
    title: str
    user: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    idle_expiry: float | None = None
    usage: Usage
    """Of all ended turns."""
    queued_ids: tuple[str, ...] = Field(default=(), exclude_if=lambda ids: not ids)
    """The ids of the messages that ``queued`` counts, oldest first."""
    messages: int
    """In the transcript, without those of the running turn."""
    version: int
    """Of the transcript."""
    copied: TranscriptSource | None = Field(default=None, exclude_if=lambda copied: copied is None)
    """As in ``CarriedConversation``."""


class KnownMessage(Record):
    """A message that was received."""

    task_id: str
    """As in ``SendVerdict``."""
    outcome: MessageOutcome
    body_hash: str | None = Field(default=None, exclude_if=lambda digest: digest is None)


class VersionOfConversation(Record):
    """An earlier version of the transcript."""

    version: int
    pages: tuple[StoredMessages, ...]


class CarriedConversation(Record):
    """The workflow's second argument: state that survives continue-as-new, which happens between two turns."""

    created_at: datetime
    idle_since: datetime
    """When the newest turn ended."""
    updated_at: datetime
    agent: str
    model: str | None = Field(default=None, exclude_if=lambda model: model is None)
    title: str
    on_busy: OnBusy
    usage: Usage
    turn_count: int
    """Turns that have started."""
    turns: tuple[Turn, ...]
    """The newest ones."""
    known: dict[str, KnownMessage]
    """The newest messages by their id."""
    queue: tuple[ConversationMessage, ...] = Field(default=(), exclude_if=lambda queue: not queue)
    pages: tuple[StoredMessages, ...]
    """Where the transcript is stored."""
    merged_pages: int
    """Number of pages at the start of ``pages`` that were merged already."""
    digest: str
    """Of the whole transcript."""
    version: int = Field(default=1, exclude_if=lambda version: version == 1)
    facts: tuple[str, ...] = Field(default=(), exclude_if=lambda facts: not facts)
    """The outcomes of the newest irreversible calls, one line each."""
    context: ContextState | None = Field(default=None, exclude_if=lambda context: context is None)
    """Whether a compaction is due for the model of the newest turn."""
    versions: tuple[VersionOfConversation, ...] = Field(default=(), exclude_if=lambda versions: not versions)
    """Earlier versions of the transcript, the newest of them."""
    copied: TranscriptSource | None = Field(default=None, exclude_if=lambda copied: copied is None)
    """Of a fork: its own copy of what it has in common with its source."""


class ConversationResult(Record):
    """The workflow's result."""

    status: ConversationStatus
    turns: int
    usage: Usage
