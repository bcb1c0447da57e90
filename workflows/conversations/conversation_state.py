"""The state of a conversation: its turns, the messages that wait, and where its transcript is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.conversations.conversation_payloads import TakenTurn, TurnToTake
    from activities.payload_types import StoredMessages, TranscriptPage, TranscriptRange, TranscriptSource
    from agentkit.errors import MessageConflict
    from agentkit.messages import Usage
    from agentkit.runtime.context_watch import ContextState
    from agentkit.transcript import EMPTY_DIGEST
    from workflows.conversations.conversation_types import (
        MAX_TURNS_IN_DETAIL,
        CarriedConversation,
        ConversationChanges,
        ConversationInput,
        ConversationMessage,
        ConversationStatus,
        ConversationSummary,
        ConversationView,
        KnownMessage,
        MessageOutcome,
        SendVerdict,
        Turn,
        TurnPage,
        TurnRange,
        VersionOfConversation,
        turn_task_id,
    )
    from workflows.listing.progress_details import shorten

__all__ = ["ConversationState"]

_MAX_TEXT_CHARS = 300
_MAX_SMALL_PAGES = 64
"""Each turn stores at least one page; when there are this many, they are merged into fewer."""
_MAX_VERSIONS = 20
_MAX_LINES = 20


class ConversationState:
    """The state of a conversation. Its methods record what happened; they run no activities and don't wait."""

    def __init__(
        self, conversation_id: str, start: ConversationInput, carried: CarriedConversation | None, now: datetime
    ) -> None:
        """Set up; without ``carried`` the conversation starts now."""
        self._id = conversation_id
        self._start = start
        self.created_at = carried.created_at if carried else now
        self.idle_since = carried.idle_since if carried else now
        self._updated_at = carried.updated_at if carried else now
        self.agent = carried.agent if carried else start.agent
        self._model = carried.model if carried else start.model
        self.title = carried.title if carried else start.title
        self.on_busy = carried.on_busy if carried else start.on_busy
        self.usage = carried.usage if carried else Usage()
        self.turn_count = carried.turn_count if carried else (start.fork.turn if start.fork else 0)
        self._turns = list(carried.turns) if carried else []
        self._known = dict(carried.known) if carried else {}
        self.queue = list(carried.queue) if carried else []
        self._pages = carried.pages if carried else ()
        self._merged_pages = carried.merged_pages if carried else 0
        self._digest = carried.digest if carried else EMPTY_DIGEST
        self._version = carried.version if carried else 1
        self._versions = carried.versions if carried else ()
        self.facts = carried.facts if carried else ()
        """The outcomes of the newest irreversible calls, one line each."""
        self._context = carried.context if carried else None
        self._copied = carried.copied if carried else None
        if carried is None and (copied := start.copied) is not None:
            self._pages, self._merged_pages, self._digest = copied.pages, len(copied.pages), copied.digest
            self._copied = self.source
        self.status: ConversationStatus = "idle"

    @property
    def carried(self) -> CarriedConversation:
        """The state to carry across continue-as-new."""
        return CarriedConversation(
            created_at=self.created_at,
            idle_since=self.idle_since,
            updated_at=self._updated_at,
            agent=self.agent,
            model=self._model,
            title=self.title,
            on_busy=self.on_busy,
            usage=self.usage,
            turn_count=self.turn_count,
            turns=tuple(self._turns),
            known=self._known,
            queue=tuple(self.queue),
            pages=self._pages,
            merged_pages=self._merged_pages,
            digest=self._digest,
            version=self._version,
            versions=self._versions,
            facts=self.facts,
            context=self._context,
            copied=self._copied,
        )

    @property
    def _end(self) -> int:
        return self._pages[-1].end if self._pages else 0

    @property
    def source(self) -> TranscriptSource | None:
        """A reference to the transcript, which the next turn continues; None: it is empty."""
        if not self._end:
            return None
        return TranscriptSource(workflow_id=self._id, version=self._version, end=self._end, digest=self._digest)

    @property
    def context(self) -> ContextState | None:
        """Whether a compaction is due in the newest turn; None if not, or if its model isn't the previous turn's."""
        models = [turn.model for turn in self._turns[-2:]]
        return self._context if len(set(models)) == 1 else None

    @property
    def expires_at(self) -> datetime | None:
        """When the conversation ends if no message comes; None: never, or a turn runs."""
        if self._start.idle_expiry is None or self.status != "idle":
            return None
        return self.idle_since + timedelta(seconds=self._start.idle_expiry)

    def verdict(self, message: ConversationMessage) -> SendVerdict | None:
        """Return the verdict on a message that was received before; None: it is new.

        Raises:
            MessageConflict: another message was received with the same id.
        """
        known = self._known.get(message.id)
        if known is None:
            return None
        if known.body_hash != message.body_hash:
            raise MessageConflict(
                f"Another message was sent with the id {message.id}, or its Idempotency-Key, before. "
                "Take a new one for a new message."
            )
        return SendVerdict(task_id=known.task_id, outcome=known.outcome, is_new=False)

    def outcome(self, message_id: str) -> MessageOutcome:
        """Return the outcome of a message that was received."""
        return self._known[message_id].outcome

    def deliver(self, message: ConversationMessage, task_id: str) -> None:
        """Record that a message was delivered to the running turn's task."""
        self._know(message, task_id, "delivered")

    def enqueue(self, messages: Sequence[ConversationMessage], *, first: bool = False) -> None:
        """Add messages to the queue, each for a turn of its own; ``first``: before those that are queued."""
        for message in messages:
            self._know(message, turn_task_id(self._id, message.id), "queued")
        self.queue[:] = [*messages, *self.queue] if first else [*self.queue, *messages]

    def start_turn(self, now: datetime) -> tuple[ConversationMessage, Turn]:
        """Take the first message from the queue; return it with its turn, which starts now."""
        message = self.queue.pop(0)
        if not self._turns:
            self.title = self.title or message.title
        self.turn_count += 1
        turn = Turn(
            number=self.turn_count,
            task_id=turn_task_id(self._id, message.id),
            message_id=message.id,
            status="running",
            agent=message.agent.name,
            model=message.agent.models[0],
            input=shorten(message.message.text, _MAX_TEXT_CHARS),
            started_at=now,
        )
        self._turns = [*self._turns, turn][-MAX_TURNS_IN_DETAIL:]
        self.status, self._updated_at = "running", now
        return message, turn

    def set_started(self, message: ConversationMessage) -> None:
        """Record that the task of the newest turn has started."""
        self._know(message, self._turns[-1].task_id, "started")

    def _know(self, message: ConversationMessage, task_id: str, outcome: MessageOutcome) -> None:
        self._known[message.id] = KnownMessage(task_id=task_id, outcome=outcome, body_hash=message.body_hash)
        for oldest in list(self._known)[:-MAX_TURNS_IN_DETAIL]:
            if self._known[oldest].outcome != "queued":
                del self._known[oldest]

    def turn_to_take(self) -> TurnToTake:
        """Return the argument of the activity that stores the messages of the newest turn."""
        small = self._pages[self._merged_pages :]
        return TurnToTake(
            conversation_id=self._id,
            task_id=self._turns[-1].task_id,
            version=self._version,
            end=self._end,
            digest=self._digest,
            small_pages=small if len(small) >= _MAX_SMALL_PAGES else (),
        )

    def end_turn(self, taken: TakenTurn, output: str | None, now: datetime) -> None:
        """Record the end of the newest turn, and add its stored messages to the transcript."""
        if taken.is_new_version:
            old = VersionOfConversation(version=self._version, pages=self._pages)
            self._versions = (*self._versions, old)[-_MAX_VERSIONS:]
            self._version += 1
            self._pages, self._merged_pages = taken.pages, len(taken.pages)
        else:
            self._add_pages(taken.pages)
        self._digest = taken.digest
        self.facts = self.facts if taken.facts is None else taken.facts
        self._context = taken.context
        self.usage += taken.usage
        self.idle_since = self._updated_at = now
        self.status = "idle"
        error = None if taken.error is None else shorten(taken.error, _MAX_TEXT_CHARS)
        self._turns[-1] = self._turns[-1].model_copy(
            update={
                "status": taken.status or "terminated",
                "output": None if output is None else shorten(output, _MAX_TEXT_CHARS),
                "error": error,
                "ended_at": self.idle_since,
                "version": self._version,
                "end": taken.end,
                "digest": taken.digest,
            }
        )

    def _add_pages(self, pages: Sequence[StoredMessages]) -> None:
        start = pages[0].start if pages else self._end
        kept = tuple(page for page in self._pages if page.end <= start)
        if len(kept) < len(self._pages):
            self._merged_pages = len(kept) + len(pages)
        self._pages = (*kept, *pages)

    def change(self, changes: ConversationChanges, now: datetime) -> None:
        """Apply changes of the settings."""
        self.title = self.title if changes.title is None else changes.title
        self.agent = changes.agent or self.agent
        self.on_busy = changes.on_busy or self.on_busy
        if changes.model is not None:
            self._model = changes.model or None
        self._updated_at = now

    def end(self, status: ConversationStatus, now: datetime) -> None:
        """Record that the conversation ends."""
        self.status, self._updated_at = status, now
        if status == "deleted":
            self.queue.clear()

    @property
    def summary(self) -> ConversationSummary:
        """The summary that lists show."""
        return ConversationSummary(
            model=self._model,
            on_busy=self.on_busy,
            turns=self.turn_count,
            current_task_id=self._turns[-1].task_id if self.status == "running" else None,
            queued=len(self.queue),
            created_at=self.created_at,
            updated_at=self._updated_at,
            expires_at=self.expires_at,
            forked_from=self._start.fork,
        )

    @property
    def view(self) -> ConversationView:
        """The settings, status and counts of the conversation, without turns and transcript."""
        start = self._start
        return ConversationView(
            **dict(self.summary),
            status=self.status,
            agent=self.agent,
            title=self.title,
            user=start.user,
            tags=start.tags,
            metadata=start.metadata,
            idle_expiry=start.idle_expiry,
            usage=self.usage,
            queued_ids=tuple(message.id for message in self.queue),
            messages=self._end,
            version=self._version,
            copied=self._copied,
        )

    @property
    def details(self) -> str:
        """The status and the newest turns as Markdown, for the Temporal Web UI."""
        lines = [f"- turn {turn.number}, `{turn.task_id}`: {turn.status}" for turn in self._turns[-_MAX_LINES:]]
        return "\n".join([f"**{self.status}** ({self.turn_count} turns, {len(self.queue)} messages wait)", "", *lines])

    def turns(self, turn_range: TurnRange) -> TurnPage:
        """Return turns in the order of their numbers."""
        turns = [turn for turn in self._turns if turn.number > turn_range.after]
        return TurnPage(turns=tuple(turns[: max(0, turn_range.limit)]), total=self.turn_count)

    def transcript_page(self, page_range: TranscriptRange) -> TranscriptPage:
        """Return where the messages of a range are stored."""
        version = self._version if page_range.version is None else page_range.version
        pages = self._pages_of(version)
        total = pages[-1].end if pages else 0
        end = total if page_range.end is None else page_range.end
        stored = tuple(page for page in pages if page.end > page_range.start and page.start < end)
        return TranscriptPage(
            start=page_range.start, messages=(), stored=stored, total=total, version=version, versions=self._version
        )

    def _pages_of(self, version: int) -> Sequence[StoredMessages]:
        if version == self._version:
            return self._pages
        return next((old.pages for old in self._versions if old.version == version), ())
