"""Store the messages of ended turns under the id of their conversation.

A conversation thus doesn't depend on the tasks of its turns, which Temporal deletes after the namespace's retention.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.conversations.conversation_payloads import (
    READ_TASK_END_ACTIVITY,
    TAKE_TURN_ACTIVITY,
    TURN_END_QUERY,
    EndedStatus,
    TakenTurn,
    TaskEnd,
    TurnEnd,
    TurnToTake,
)
from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.payload_types import StoredMessages
from activities.storage.content_copies import ContentCopies
from activities.storage.message_storage import MessageStorage
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.payload_storage import WRITE_FAILURE
from activities.temporal.workflow_queries import query_workflow
from agentkit.errors import OpspawnError
from agentkit.messages import Message, TextPart
from agentkit.runtime.calls.remaining_effects import remaining_effects
from agentkit.transcript import EMPTY_DIGEST, Transcript

__all__ = ["ConversationActivities"]

_RPC_TIMEOUT = timedelta(seconds=30)
_MAX_ATTEMPTS = 12
"""After this many attempts, about three minutes, reading a turn fails for good, and the conversation continues without
its messages."""

_BUSY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.RESOURCE_EXHAUSTED)

_ENDED: dict[WorkflowExecutionStatus | None, EndedStatus] = {
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed_out",
}
_HOW_ENDED: dict[EndedStatus, str] = {
    "completed": "it was completed",
    "failed": "it failed",
    "cancelled": "it was cancelled",
    "terminated": "it was terminated",
    "timed_out": "its time was over",
}


class ConversationActivities:
    """Holds the activities of conversations."""

    def __init__(self, client: Client, reader: TranscriptReader) -> None:
        self._client = client
        self._reader = reader
        self._storage = MessageStorage(client)
        self._copies = ContentCopies(client)

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """The activities that a worker registers."""
        return [self.read_task_end, self.take_turn]

    @activity.defn(name=READ_TASK_END_ACTIVITY)
    async def read_task_end(self, task_id: str) -> TaskEnd:
        """Return whether a task has ended.

        Raises:
            RPCError: Temporal doesn't respond; a retry may succeed.
        """
        execution = await self._describe(task_id)
        return TaskEnd(is_ended=execution is None or execution.status in _ENDED)

    @activity.defn(name=TAKE_TURN_ACTIVITY)
    async def take_turn(self, turn: TurnToTake) -> TakenTurn:
        """Store an ended turn's messages, up to its last finished step, under the id of its conversation.

        Raises:
            ApplicationError: they can't be read or written.
        """
        async with heartbeating():
            try:
                if turn.messages is not None:
                    return await self._stored(turn, turn.messages, TakenTurn())
                return await self._taken(turn)
            except (RPCError, WorkflowQueryFailedError, OpspawnError) as error:
                if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                    return TakenTurn(is_gone=True)  # it was deleted while it was read
                raise _failure(error, is_last=activity.info().attempt >= _MAX_ATTEMPTS) from error

    async def _taken(self, turn: TurnToTake) -> TakenTurn:
        execution = await self._describe(turn.task_id)
        if execution is None:
            return TakenTurn(is_gone=True)
        status = _ENDED[execution.status]
        handle = self._client.get_workflow_handle(turn.task_id)
        end = await query_workflow(handle, TURN_END_QUERY, TurnEnd, rpc_timeout=_RPC_TIMEOUT)
        if status == "failed" and end.is_timed_out:
            status = "timed_out"
        start = turn.end if end.version == 1 else 0
        messages = [*await self._reader.messages_between(turn.task_id, start, end.end, end.version)]
        output = messages[-1].text if status == "completed" and messages[-1].role == "assistant" else None
        if status != "completed" or end.later_calls:
            later = await self._reader.messages_between(
                turn.task_id, end.later_start, end.later_end, end.newest_version
            )
            messages.append(_notice(status, end, later))
        taken = TakenTurn(
            status=status,
            is_new_version=end.version > 1,
            facts=end.facts,
            context=end.context,
            usage=end.usage,
            output=output,
            error=end.error,
            received_ids=end.received_ids,
            unread=end.unread,
        )
        return await self._stored(turn, messages, taken)

    async def _stored(self, turn: TurnToTake, messages: Sequence[Message], taken: TakenTurn) -> TakenTurn:
        """Store the messages at the end of the conversation's transcript; return ``taken`` with their pages."""
        start, digest = (0, EMPTY_DIGEST) if taken.is_new_version else (turn.end, turn.digest)
        messages = await self._copies.copy(turn.conversation_id, messages)
        end, digest = start + len(messages), _digest_after(digest, messages)
        if turn.small_pages and not taken.is_new_version:
            start = turn.small_pages[0].start
            messages = [*await self._read_pages(turn.small_pages), *messages]
        pages = await self._storage.write(turn.conversation_id, start, messages)
        return taken.model_copy(update={"pages": tuple(pages), "end": end, "digest": digest})

    async def _read_pages(self, pages: Sequence[StoredMessages]) -> list[Message]:
        return [message for page in pages for message in await self._storage.read(page, page.start)]

    async def _describe(self, task_id: str) -> WorkflowExecutionDescription | None:
        """Return Temporal's description of a task; None if it has none."""
        try:
            return await self._client.get_workflow_handle(task_id).describe(rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise


def _failure(error: RPCError | WorkflowQueryFailedError | OpspawnError, *, is_last: bool) -> ApplicationError:
    """Return the failure of an attempt to store a turn.

    Failed writes and an overloaded or unreachable Temporal are always retried; for others, the last attempt is final.
    """
    if isinstance(error, OpspawnError):
        failure = application_error(error)
        is_unreadable = not failure.message.startswith(WRITE_FAILURE)
    else:
        failure = ApplicationError(str(error), type=type(error).__name__)
        is_unreadable = not isinstance(error, RPCError) or error.status not in _BUSY
    non_retryable = failure.non_retryable or (is_last and is_unreadable)
    return ApplicationError(failure.message, type=failure.type, non_retryable=non_retryable)


def _digest_after(digest: str, messages: Sequence[Message]) -> str:
    transcript = Transcript(messages, digest=digest)
    return transcript.digest(len(transcript))


def _notice(status: EndedStatus, end: TurnEnd, later: Sequence[Message]) -> Message:
    """Return the message that shows the next turn's model how a turn ended early, and which calls took effect."""
    reason = f" ({end.error})" if end.error else ""
    text = f"The work on this message ended before it was finished: {_HOW_ENDED[status]}{reason}."
    lines = remaining_effects(end.later_calls, end.step, later)
    if lines:
        text += " It made these calls, whose effects remain; don't repeat those that are done:\n" + "\n".join(lines)
    return Message(role="user", parts=(TextPart(text=text),), source="planner")
