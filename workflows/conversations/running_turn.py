"""The running turn of a conversation: start its task, send it messages, and find out how it ended."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.exceptions import TimeoutError as TemporalTimeout

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities.conversations.conversation_payloads import READ_TASK_END_ACTIVITY, EndedStatus, TakenTurn, TaskEnd
    from activities.retry_policies import TASK_END_POLICY
    from agentkit.messages import FilePart, ImagePart, Message, TextPart, Usage, user_message
    from workflows.conversations.conversation_state import ConversationState
    from workflows.conversations.conversation_types import ConversationInput, ConversationMessage, Turn
    from workflows.listing.progress_details import shorten
    from workflows.search_attributes import (
        AGENT,
        CONVERSATION,
        MEMO_BODY_HASH,
        MEMO_METADATA,
        MEMO_TITLE,
        MEMO_USER,
        STATUS,
        TAGS,
        TENANT,
    )
    from workflows.task_types import WORKFLOW_TYPE, SentMessage, TaskFailure, TaskInput, TaskResult

__all__ = ["RunningTurn"]

_MAX_DELIVERED = 500
"""The most messages to one running turn; further ones get a turn of their own. The task remembers more ids."""
_MAX_TITLE_CHARS = 80
_MAX_PLAIN_CHARS = 2_000
"""Lists and events show the start of longer messages only; the model reads them completely."""
_STOP_TIMEOUT = timedelta(minutes=1)
"""How long to wait for a turn that is cancelled with its conversation; after that it ends without the conversation."""
_RESULT_TIMEOUT = timedelta(seconds=10)
"""How long to wait for Temporal's report of a task that was found to have ended."""
_MAX_LOOK_INTERVAL = timedelta(minutes=1)
_INPUT_PARTS = (TextPart, ImagePart, FilePart)


class RunningTurn:
    """A turn, from before its task is started until the conversation has stored its messages."""

    def __init__(self, message: ConversationMessage, turn: Turn) -> None:
        self.message = message
        self.task_id = turn.task_id
        self.number = turn.number
        self.is_running = True
        """False as soon as the task is known to have ended; then no message can be delivered to it."""
        self._child: workflow.ChildWorkflowHandle[object, TaskResult] | None = None
        """None: not started yet, or started before the conversation's workflow was reset."""
        self._delivered: dict[str, ConversationMessage] = {}
        """The messages that were sent to the task, by their ids."""
        self._deliveries = 0
        """Number of calls of ``deliver`` that have not returned."""
        self._delivery = asyncio.Lock()
        """Sends one message at a time: Temporal doesn't order concurrent signals."""
        self._is_started = False
        self._is_gone = False
        """Whether the task was found to have ended, though Temporal has not reported it yet."""

    async def start(self, conversation: ConversationInput, state: ConversationState) -> None:
        """Start the task, which continues the conversation's transcript; return when Temporal has started it."""
        message, agent = self.message, self.message.agent
        title = message.title or shorten(message.message.text, _MAX_TITLE_CHARS)
        try:
            self._child = await workflow.start_child_workflow(
                WORKFLOW_TYPE,
                TaskInput(
                    agent=agent,
                    message=message.message,
                    source=state.source,
                    facts=state.facts,
                    context=state.context,
                    notify=message.notify,
                ),
                id=self.task_id,
                result_type=TaskResult,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
                memo=_memo(message, title, conversation.user),
                search_attributes=_search_attributes(message, conversation.tenant),
                static_summary=f"{agent.name}: {title}",
                static_details=f"Agent **{agent.name}** on {', '.join(agent.models)}",
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.warning("The task %s was started before: the conversation goes on with it", self.task_id)
        else:
            self._child.add_done_callback(lambda child: child.cancelled() or child.exception())
        self._is_started = True

    async def until_ended(self, is_stopped: Callable[[], bool]) -> None:
        """Return when the task has ended and every ``deliver`` has returned, or when ``is_stopped`` returns True."""
        await self._until_ended(is_stopped)
        if not is_stopped():
            self.is_running = False
            await workflow.wait_condition(lambda: self._deliveries == 0)

    async def _until_ended(self, is_stopped: Callable[[], bool]) -> None:
        if (child := self._child) is not None:
            await workflow.wait_condition(lambda: child.done() or self._is_gone or is_stopped())
            if self._is_gone:
                await self._waited(lambda: child.done() or is_stopped(), _RESULT_TIMEOUT)
            return
        interval = timedelta(seconds=1)
        while not (self._is_gone or is_stopped() or await self.has_ended()):
            await self._waited(lambda: self._is_gone or is_stopped(), interval)
            interval = min(2 * interval, _MAX_LOOK_INTERVAL)

    async def has_ended(self) -> bool:
        """Ask Temporal whether the task has ended, before it reports so; return False if it doesn't respond."""
        try:
            end: TaskEnd = await workflow.execute_activity(
                READ_TASK_END_ACTIVITY,
                self.task_id,
                result_type=TaskEnd,
                start_to_close_timeout=TASK_END_POLICY.start_to_close,
                schedule_to_close_timeout=2 * TASK_END_POLICY.start_to_close,
                retry_policy=TASK_END_POLICY.retry,
                summary="Has the turn ended?",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return False
        self._is_gone = self._is_gone or end.is_ended
        return end.is_ended

    async def deliver(self, message: ConversationMessage) -> bool:
        """Send a message that interrupts the task's step; return False if that has ended or got too many messages."""
        self._deliveries += 1
        try:
            await workflow.wait_condition(lambda: self._is_started)
            async with self._delivery:
                if not self.is_running or self._is_gone or len(self._delivered) >= _MAX_DELIVERED:
                    return False
                self._delivered[message.id] = message
                try:
                    task = workflow.get_external_workflow_handle(self.task_id)
                    await task.signal("send_message", _sent(message))
                except FailureError:
                    del self._delivered[message.id]
                    self._is_gone = True
                    return False
                return True
        finally:
            self._deliveries -= 1

    async def stop(self) -> None:
        """Cancel the task, and wait at most ``_STOP_TIMEOUT`` for its end."""
        self.is_running = False
        try:
            await workflow.get_external_workflow_handle(self.task_id).cancel()
        except FailureError:
            return  # it has ended
        if (child := self._child) is not None:
            await self._waited(child.done, _STOP_TIMEOUT)

    @staticmethod
    async def _waited(condition: Callable[[], bool], longest: timedelta) -> None:
        try:
            await workflow.wait_condition(condition, timeout=longest)
        except TimeoutError:
            return

    @property
    def result(self) -> TaskResult | None:
        """The result of the task; None if it has none, or it is unknown."""
        child = self._child
        return child.result() if child is not None and child.done() and child.exception() is None else None

    def reconstruct(self) -> tuple[list[Message], TakenTurn]:
        """Return messages and end of a task that can't be read, as far as the conversation knows them."""
        if (result := self.result) is not None:
            output = result.output if isinstance(result.output, str) else json.dumps(result.output, ensure_ascii=False)
            response = Message(role="assistant", parts=(TextPart(text=output),), model=self.message.agent.models[0])
            taken = TakenTurn(is_gone=True, status="completed", usage=result.usage, output=output)
            return [self.message.message, response], taken
        text = "The work on this message is lost: its task was deleted, or can't be read. It may have made tool calls."
        notice = Message(role="user", parts=(TextPart(text=text),), source="planner")
        return [self.message.message, notice], self._end_without_result()

    def _end_without_result(self) -> TakenTurn:
        child = self._child
        error = child.exception() if child is not None and child.done() else None
        cause = error.cause if isinstance(error, ChildWorkflowError) else None
        status: EndedStatus = "terminated"
        usage, message = Usage(), None
        if error is not None and is_cancelled_exception(error):
            status = "cancelled"
        elif isinstance(cause, TemporalTimeout):
            status = "timed_out"
        elif isinstance(cause, ApplicationError):
            status, message = "failed", cause.message
            usage = _failure_usage(cause)
        return TakenTurn(is_gone=True, status=status, usage=usage, error=message)

    def unread_messages(self, taken: TakenTurn) -> list[ConversationMessage]:
        """Return the messages to the ended task that its model has not read; each becomes a turn."""
        if taken.is_gone:
            return list(self._delivered.values())
        delivered = dict(self._delivered)
        messages: list[ConversationMessage] = []
        for number, unread in enumerate(taken.unread):
            own = delivered.pop(unread.id, None) if unread.id is not None else None
            messages.append(own or self._further_message(number, unread.message))
        # The others arrived and were read, or never arrived, for example because the task was terminated just then.
        messages += [message for message in delivered.values() if message.id not in taken.received_ids]
        return messages

    def _further_message(self, number: int, message: Message) -> ConversationMessage:
        """Convert a message that was sent to the task itself into one to the conversation, for the same agent."""
        message_id = hashlib.sha256(f"{self.task_id}/{number}".encode()).hexdigest()[:32]
        return self.message.model_copy(update={"id": message_id, "message": message, "title": "", "body_hash": None})


def _failure_usage(error: ApplicationError) -> Usage:
    try:
        return TaskFailure.model_validate(error.details[0]).usage
    except (IndexError, ValidationError):
        return Usage()


def _memo(message: ConversationMessage, title: str, user: str | None) -> dict[str, object]:
    memo: dict[str, object] = {MEMO_TITLE: title}
    if message.metadata:
        memo[MEMO_METADATA] = message.metadata
    if user is not None:
        memo[MEMO_USER] = user
    if message.body_hash is not None:
        memo[MEMO_BODY_HASH] = message.body_hash
    return memo


def _search_attributes(message: ConversationMessage, tenant: str) -> TypedSearchAttributes:
    conversation_id = workflow.info().workflow_id
    pairs = [
        SearchAttributePair(STATUS, "queued"),
        SearchAttributePair(AGENT, message.agent.name),
        SearchAttributePair(TENANT, tenant),
        SearchAttributePair(CONVERSATION, conversation_id),
    ]
    tags = [SearchAttributePair(TAGS, list(message.tags))] if message.tags else []
    return TypedSearchAttributes([*pairs, *tags])


def _sent(message: ConversationMessage) -> SentMessage:
    """Convert a message to the conversation into one to a task."""
    content, text = message.message, message.message.text
    is_plain = content == user_message(text) and 0 < len(text) <= _MAX_PLAIN_CHARS
    return SentMessage(
        text=text if is_plain else shorten(text, _MAX_TITLE_CHARS) or message.title or "(attachment)",
        mode="interrupt",
        id=message.id,
        sent_by=message.sent_by,
        parts=() if is_plain else tuple(part for part in content.parts if isinstance(part, _INPUT_PARTS)),
    )
