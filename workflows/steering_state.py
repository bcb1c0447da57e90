"""Steer a running task: messages, interruptions, pause and resume."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue, ValidationError

    from agentkit.errors import SteeringInvalid
    from agentkit.messages import Message
    from agentkit.validation.validation_messages import issues_text
    from workflows.listing.journal import JournalEntry, MessageReceivedEntry
    from workflows.listing.listed_state import ListedState
    from workflows.task_types import SentMessage

__all__ = ["Steering", "StepInterrupted", "read_message"]

_MAX_QUEUED = 100
_MAX_IDS = 1_000
"""The newest so many ids of messages are known: a conversation finds out by them which of its messages have arrived."""

_T = TypeVar("_T")


class StepInterrupted(Exception):
    """A person interrupted the step, so this part of it was cancelled."""


class Steering:
    """How people steer a running task: whether it is paused, and the messages that they have sent to it."""

    def __init__(
        self,
        record: Callable[[Sequence[JournalEntry]], None],
        listed: ListedState,
        *,
        is_paused: bool = False,
        queued: Sequence[SentMessage] = (),
        message_ids: Sequence[str] = (),
    ) -> None:
        """Set up; ``record`` adds entries to the journal."""
        self.is_paused = is_paused
        self.queued = tuple(queued)
        """Messages that the model has not read yet, oldest first."""
        self.message_ids = tuple(message_ids)
        """The ids of the newest messages, queued or not."""
        self.is_interrupted = False
        """Whether a queued message interrupts the step."""
        self._record = record
        self._listed = listed

    def check(self, message: SentMessage) -> None:
        """Check that a message can be queued.

        Raises:
            SteeringInvalid: too many are.
        """
        if len(self.queued) >= _MAX_QUEUED and message.id not in self.message_ids:
            raise SteeringInvalid(f"{_MAX_QUEUED} messages wait for the model already. Send this one later.")

    def receive(self, message: SentMessage, step: int) -> bool:
        """Queue a message from a person; return whether it is new.

        Raises:
            SteeringInvalid: too many are queued.
        """
        self.check(message)
        if message.id is not None:
            if message.id in self.message_ids:
                return False
            self.message_ids = (*self.message_ids, message.id)[-_MAX_IDS:]
        self.queued = (*self.queued, message)
        self.is_interrupted = self.is_interrupted or message.mode == "interrupt"
        entry = MessageReceivedEntry(
            step=step, text=message.text, mode=message.mode, sent_by=message.sent_by, message_id=message.id
        )
        self._record([entry])
        return True

    def take_messages(self) -> list[Message]:
        """Return the queued messages for the transcript, and remove them."""
        taken = [message.message for message in self.queued]
        self.queued, self.is_interrupted = (), False
        return taken

    def pause(self) -> None:
        """Pause the task: what is in flight ends, and nothing new starts."""
        self._set_paused(is_paused=True)

    def resume(self) -> None:
        """Resume the task."""
        self._set_paused(is_paused=False)

    def _set_paused(self, *, is_paused: bool) -> None:
        self.is_paused = is_paused
        self._listed.set_paused(is_paused=is_paused)

    async def until_resumed(self) -> None:
        """Return when the task isn't paused."""
        await workflow.wait_condition(lambda: not self.is_paused)

    async def before_call(self) -> None:
        """Return when the task isn't paused.

        Raises:
            StepInterrupted: a person interrupted the step.
        """
        if self.is_paused:
            await workflow.wait_condition(lambda: not self.is_paused or self.is_interrupted)
        if self.is_interrupted:
            raise StepInterrupted

    async def interruptible(self, work: asyncio.Task[_T]) -> _T:
        """Return the result of the work.

        Raises:
            StepInterrupted: a person interrupted the step, and the work was cancelled without a result.
        """
        try:
            await workflow.wait_condition(lambda: work.done() or self.is_interrupted)
        except asyncio.CancelledError:  # the task is ending
            work.cancel()
            raise
        if not work.done():
            work.cancel()
            await workflow.wait([work])
            if work.cancelled() or is_cancelled_exception(work.exception() or StepInterrupted()):
                raise StepInterrupted
        return work.result()


def read_message(data: JsonValue) -> SentMessage:
    """Return a message from JSON.

    Raises:
        SteeringInvalid: the data is no message; the error names the fields.
    """
    try:
        return SentMessage.model_validate(data)
    except ValidationError as error:
        raise SteeringInvalid(f"This is no message to a task: {issues_text(error, data)}") from error
