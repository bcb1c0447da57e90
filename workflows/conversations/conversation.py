"""The workflow of a conversation, which owns the transcript; each turn is a task, a child workflow."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue, ValidationError

    from activities.conversations.conversation_payloads import (
        TAKE_TURN_ACTIVITY,
        TakenTurn,
        TurnToTake,
    )
    from activities.payload_types import TranscriptPage, TranscriptRange
    from activities.retry_policies import CONVERSATION_POLICY
    from activities.temporal.encryption.encrypted_payloads import PayloadErased
    from agentkit.errors import ConversationBusy, ConversationEnded, SteeringInvalid
    from agentkit.records import Record
    from agentkit.validation.validation_messages import issues_text
    from workflows.conversations.conversation_state import ConversationState
    from workflows.conversations.conversation_types import (
        CHANGE_CONVERSATION,
        CONVERSATION_QUERY,
        CONVERSATION_TYPE,
        DELETE_CONVERSATION,
        MAX_QUEUED_MESSAGES,
        MEMO_CONVERSATION,
        SEND_TO_CONVERSATION,
        TURNS_QUERY,
        CarriedConversation,
        ConversationChanges,
        ConversationInput,
        ConversationMessage,
        ConversationResult,
        ConversationStatus,
        ConversationView,
        SendVerdict,
        TurnPage,
        TurnRange,
        turn_task_id,
    )
    from workflows.conversations.running_turn import RunningTurn
    from workflows.search_attributes import AGENT, MEMO_TITLE, MEMO_USAGE, STATUS
    from workflows.target_version import TargetVersion, continue_on_target_version

__all__ = ["ConversationWorkflow"]

_ABANDON = workflow.HandlerUnfinishedPolicy.ABANDON

_R = TypeVar("_R", bound=Record)
_T = TypeVar("_T")


def _refused(error: SteeringInvalid) -> ApplicationError:
    """Return the failure of an update that is refused; its type is the name of the error's class."""
    return ApplicationError(str(error), type=type(error).__name__, non_retryable=True)


def _read(record: type[_R], data: JsonValue, what: str) -> _R:
    """Return the argument of an update or a signal.

    Raises:
        SteeringInvalid: the data doesn't fit ``record``; the error names the fields.
    """
    try:
        return record.model_validate(data)
    except ValidationError as error:
        raise SteeringInvalid(f"This is no {what}: {issues_text(error, data)}") from error


class _Deleted(Exception):
    """The conversation is being deleted: stop waiting."""


@workflow.defn(name=CONVERSATION_TYPE, failure_exception_types=[PayloadErased])
class ConversationWorkflow:
    """Receives messages of people, runs a task for each, one after the other, and stores the transcript."""

    @workflow.init
    def __init__(self, start: ConversationInput, carried: CarriedConversation | None = None) -> None:
        # As their number varies, the SDK decodes the arguments as plain JSON.
        start = ConversationInput.model_validate(start)
        carried = None if carried is None else CarriedConversation.model_validate(carried)
        self._start = start
        self._state = ConversationState(workflow.info().workflow_id, start, carried, workflow.now())
        self._target_version = TargetVersion()
        self._turn: RunningTurn | None = None
        self._in_delivery: set[str] = set()
        """The ids of messages that are being sent to the running turn."""
        self._is_continuing = False
        """Whether the workflow is about to continue as new: then no update waits for the next turn."""
        self._listed_agent = self._state.agent
        self._listed_status: ConversationStatus | None = None
        if carried is None and start.message is not None:
            self._state.enqueue([start.message])

    @workflow.run
    async def run(self, start: ConversationInput, carried: CarriedConversation | None = None) -> ConversationResult:
        """Run turns until the conversation expires or is deleted."""
        try:
            await self._converse()
        except _Deleted:
            pass
        except (asyncio.CancelledError, FailureError) as error:
            if workflow.cancellation_reason() is None or not is_cancelled_exception(error):
                raise
            await self._delete()
            raise
        if self._is_deleted:
            await self._delete()
            await workflow.wait_condition(workflow.all_handlers_finished)
        return ConversationResult(status=self._state.status, turns=self._state.turn_count, usage=self._state.usage)

    async def _converse(self) -> None:
        """Run turns until the conversation expires or is deleted, and no handler is about to accept a message."""
        while True:
            while await self._until_message():
                await self._run_turn()
            await workflow.wait_condition(lambda: bool(self._state.queue) or workflow.all_handlers_finished())
            if not self._state.queue:
                return

    @property
    def _is_deleted(self) -> bool:
        return self._state.status == "deleted"

    async def _delete(self) -> None:
        if self._turn is not None:
            await self._turn.stop()
        self._state.end("deleted", workflow.now())
        self._list()

    async def _until_message(self) -> bool:
        """Wait for a message for the next turn; return False if the conversation expires or is deleted first."""
        while True:
            if self._is_deleted:
                return False
            if self._is_continue_as_new_due():
                await self._continue_as_new()
            if self._state.queue:
                return True
            self._list()
            if not await self._wait_for_work() and not self._state.queue and not self._is_deleted:
                self._state.end("expired", workflow.now())
                self._list()
                return False

    async def _wait_for_work(self) -> bool:
        """Wait until there is something to do; return False if the conversation expires first."""
        expires_at = self._state.expires_at
        timeout = None if expires_at is None else max(expires_at - workflow.now(), timedelta())
        try:
            await workflow.wait_condition(
                lambda: bool(self._state.queue) or self._is_deleted or self._is_continue_as_new_due(),
                timeout=timeout,
                timeout_summary="The conversation expires",
            )
        except TimeoutError:
            return False
        return True

    def _is_continue_as_new_due(self) -> bool:
        """Return whether Temporal suggests to continue as new, or the workers have another version."""
        return workflow.info().is_continue_as_new_suggested() or self._target_version.is_changed

    async def _continue_as_new(self) -> None:
        self._is_continuing = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._is_deleted:
            self._is_continuing = False
            return
        # The state holds the first message and the copied transcript now.
        start = self._start.model_copy(update={"message": None, "copied": None})
        continue_on_target_version([start, self._state.carried])

    async def _run_turn(self) -> None:
        """Run the turn of the first message in the queue."""
        message, turn = self._state.start_turn(workflow.now())
        self._turn = running = RunningTurn(message, turn)
        self._list()
        await running.start(self._start, self._state)
        self._state.set_started(message)
        await running.until_ended(lambda: self._is_deleted)
        if self._is_deleted:
            raise _Deleted
        taken = await self._store_messages(running)
        result = running.result
        output = result.output if result is not None and isinstance(result.output, str) else taken.output
        self._state.end_turn(taken, output, workflow.now())
        self._state.enqueue(running.unread_messages(taken), first=True)
        self._turn = None

    async def _store_messages(self, running: RunningTurn) -> TakenTurn:
        """Store the messages of the ended turn in the conversation's transcript; return where they are."""
        turn, summary = self._state.turn_to_take(), f"Store the messages of turn {running.number}"
        try:
            taken = await self._activity(TAKE_TURN_ACTIVITY, turn, TakenTurn, summary)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("The messages of turn %s are lost: %s", turn.task_id, error.cause)
            taken = TakenTurn(is_gone=True)
        if not taken.is_gone:
            return taken
        messages, lost = running.reconstruct()
        given: TurnToTake = turn.model_copy(update={"messages": tuple(messages)})
        stored = await self._activity(TAKE_TURN_ACTIVITY, given, TakenTurn, f"{summary}, as far as known")
        return lost.model_copy(update={"pages": stored.pages, "end": stored.end, "digest": stored.digest})

    async def _activity(self, name: str, argument: Record, result_type: type[_T], summary: str) -> _T:
        """Run an activity.

        Raises:
            ActivityError: it failed for good, or the workflow was cancelled.
            _Deleted: the conversation is to be deleted.
        """
        running: workflow.ActivityHandle[_T] = workflow.start_activity(
            name,
            argument,
            result_type=result_type,
            start_to_close_timeout=CONVERSATION_POLICY.start_to_close,
            heartbeat_timeout=CONVERSATION_POLICY.heartbeat,
            retry_policy=CONVERSATION_POLICY.retry,
            cancellation_type=workflow.ActivityCancellationType.ABANDON,
            summary=summary,
        )
        try:
            await workflow.wait_condition(lambda: running.done() or self._is_deleted)
        finally:
            if not running.done():
                running.cancel()
        if self._is_deleted:
            raise _Deleted
        return running.result()

    def _list(self) -> None:
        """Update the search attributes, memo and details that lists show."""
        state = self._state
        if state.status != self._listed_status or state.agent != self._listed_agent:
            self._listed_status, self._listed_agent = state.status, state.agent
            workflow.upsert_search_attributes([STATUS.value_set(state.status), AGENT.value_set(state.agent)])
        workflow.upsert_memo({MEMO_CONVERSATION: state.summary, MEMO_TITLE: state.title, MEMO_USAGE: state.usage})
        workflow.set_current_details(state.details)

    async def _receive(self, message: ConversationMessage) -> SendVerdict:
        """Treat a message as ``on_busy`` says; return when it is known which task reads it.

        Raises:
            SteeringInvalid: it is refused.
        """
        if (verdict := await self._earlier_verdict(message)) is not None:
            return verdict
        on_busy, running = message.on_busy or self._state.on_busy, self._turn
        if running is not None and running.is_running:
            if on_busy == "interrupt":
                return await self._interrupt(running, message)
            if on_busy == "reject":
                await self._check_ended(running)
                if (verdict := await self._earlier_verdict(message)) is not None:
                    return verdict  # the same message was sent again meanwhile
        self._check_not_ended()
        is_waiting = bool(self._state.queue) or (self._turn is not running and self._turn is not None)
        if is_waiting and on_busy == "reject":
            raise self._busy()
        self._enqueue(message)
        return await self._until_started(message)

    def _enqueue(self, message: ConversationMessage) -> None:
        self._state.enqueue([message])
        if self._turn is not None:  # lists show how many messages wait
            self._list()

    async def _earlier_verdict(self, message: ConversationMessage) -> SendVerdict | None:
        while message.id in self._in_delivery:
            await workflow.wait_condition(lambda: message.id not in self._in_delivery)
        return self._state.verdict(message)

    async def _interrupt(self, running: RunningTurn, message: ConversationMessage) -> SendVerdict:
        """Send a message to the running turn's task; if that has ended, enqueue it for a turn of its own."""
        self._in_delivery.add(message.id)
        try:
            is_delivered = await running.deliver(message)
        finally:
            self._in_delivery.remove(message.id)
        if is_delivered:
            self._state.deliver(message, running.task_id)
            return SendVerdict(task_id=running.task_id, outcome="delivered", is_new=True)
        self._check_not_ended()
        self._enqueue(message)
        return await self._until_started(message)

    async def _check_ended(self, running: RunningTurn) -> None:
        """Check that the turn's task has ended, which Temporal may not have reported yet.

        Raises:
            ConversationBusy: the task runs.
        """
        if not await running.has_ended():
            raise self._busy()

    def _busy(self) -> ConversationBusy:
        running = "" if self._turn is None else f": {self._turn.task_id}"
        return ConversationBusy(f"A turn of the conversation runs{running}. Wait for its end, or send with on_busy.")

    async def _until_started(self, message: ConversationMessage) -> SendVerdict:
        """Return the verdict on a queued message; if its turn is the next one, wait until its task has started."""
        state, task_id = self._state, turn_task_id(workflow.info().workflow_id, message.id)

        def is_settled() -> bool:
            if state.outcome(message.id) != "queued" or self._is_continuing or self._is_deleted:
                return True
            if (turn := self._turn) is not None and (turn.is_running or turn.message.id == message.id):
                return turn.message.id != message.id
            return not state.queue or state.queue[0].id != message.id

        await workflow.wait_condition(is_settled)
        self._check_not_ended()
        return SendVerdict(task_id=task_id, outcome=state.outcome(message.id), is_new=True)

    def _check_not_ended(self) -> None:
        if self._is_deleted:
            raise ConversationEnded("The conversation is being deleted: it takes no messages.")

    def _check(self, message: ConversationMessage) -> None:
        """Check a message as far as that is possible without waiting.

        Raises:
            SteeringInvalid: it is refused.
        """
        if self._state.verdict(message) is not None:
            return
        self._check_not_ended()
        if len(self._state.queue) >= MAX_QUEUED_MESSAGES:
            raise SteeringInvalid(f"{MAX_QUEUED_MESSAGES} messages wait already. Send this one later.")

    @workflow.update(name=SEND_TO_CONVERSATION, unfinished_policy=_ABANDON)
    async def update_send_message(self, message: JsonValue) -> SendVerdict:
        """Send a ``ConversationMessage``; if it is refused, the update fails with the reason."""
        try:
            return await self._receive(_read(ConversationMessage, message, "message to a conversation"))
        except SteeringInvalid as error:
            raise _refused(error) from error

    @update_send_message.validator
    def _check_message(self, message: JsonValue) -> None:
        try:
            self._check(_read(ConversationMessage, message, "message to a conversation"))
        except SteeringInvalid as error:
            raise _refused(error) from error

    @workflow.signal(name=SEND_TO_CONVERSATION, unfinished_policy=_ABANDON)
    async def send_message(self, message: JsonValue = None, *_: JsonValue) -> None:
        """Send a ``ConversationMessage``; if it is refused, nothing changes."""
        try:
            read = _read(ConversationMessage, message, "message to a conversation")
            self._check(read)
            await self._receive(read)
        except SteeringInvalid as error:
            workflow.logger.warning("A message that came by signal is refused: %s", error)

    @workflow.update(name=CHANGE_CONVERSATION)
    def update_change(self, changes: JsonValue) -> ConversationView:
        """Apply ``ConversationChanges``; if they are refused, the update fails with the reason."""
        self._change(_read(ConversationChanges, changes, "change of a conversation"))
        return self._state.view

    @update_change.validator
    def _check_changes(self, changes: JsonValue) -> None:
        try:
            _read(ConversationChanges, changes, "change of a conversation")
            self._check_not_ended()
        except SteeringInvalid as error:
            raise _refused(error) from error

    @workflow.signal(name=CHANGE_CONVERSATION)
    def change(self, changes: JsonValue = None, *_: JsonValue) -> None:
        """Apply ``ConversationChanges``; if they are refused, nothing changes."""
        try:
            self._change(_read(ConversationChanges, changes, "change of a conversation"))
        except SteeringInvalid as error:
            workflow.logger.warning("Changes that came by signal are refused: %s", error)

    def _change(self, changes: ConversationChanges) -> None:
        self._state.change(changes, workflow.now())
        self._list()

    @workflow.signal
    def upgrade(self) -> None:
        """Wake an idle conversation: it moves to the target version of the workers, by continuing as new."""
        self._target_version.allow_move()

    @workflow.signal(name=DELETE_CONVERSATION)
    def delete(self) -> None:
        """Cancel the running turn, drop queued messages, and complete."""
        self._state.end("deleted", workflow.now())

    @workflow.query(name=CONVERSATION_QUERY)
    def conversation(self) -> ConversationView:
        """Return the status, settings and counts."""
        return self._state.view

    @workflow.query(name=TURNS_QUERY)
    def turns(self, turn_range: TurnRange | None = None) -> TurnPage:
        """Return turns by number, the running one last; without an argument from the first listed one on."""
        return self._state.turns(turn_range or TurnRange())

    @workflow.query
    def transcript(self, page_range: TranscriptRange | None = None) -> TranscriptPage:
        """Return where the messages of a range are stored; those of the running turn aren't included."""
        return self._state.transcript_page(page_range or TranscriptRange())
