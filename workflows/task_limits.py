"""The limits of a running task: its deadline, and how people raise them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue, ValidationError

    from agentkit.errors import SteeringInvalid
    from agentkit.input_requests import InputAnswer, InputRequest
    from agentkit.runtime.calls.call_effects import CallEffects
    from agentkit.runtime.limit_requests import deadline_text, limit_request
    from agentkit.runtime.loop import AgentLoop
    from agentkit.specs import RaisedLimits
    from agentkit.validation.validation_messages import issues_text

__all__ = ["TaskLimits", "read_limits"]


class TaskLimits:
    """Keeps a task's deadline, and checks new limits."""

    def __init__(self, loop: AgentLoop, started_at: datetime, carried: InputRequest | None = None) -> None:
        """Set up; ``carried`` asks for more time since before the task continued as new."""
        self.timeout: asyncio.Timeout = asyncio.timeout(None)
        """The deadline's; within it, what exceeds the deadline is cancelled."""
        self._loop = loop
        self._started_at = started_at
        self._is_started = False
        self._carried = carried
        self.deadline_request = None if carried is None else carried.id
        """The id of the request that asks for more time."""

    @property
    def deadline_text(self) -> str:
        """That the deadline is reached, as a clause for people."""
        return deadline_text(self._loop.limits.deadline)

    @property
    def is_deadline_reached(self) -> bool:
        """Whether the task waits for a person to give it more time."""
        return self.deadline_request is not None

    def start(self) -> asyncio.Timeout:
        """Return the timeout that the task's steps run within. One that asks people at its deadline has no end yet."""
        self._is_started = True
        asks = self._loop.limits.on_exhausted == "ask"
        self.timeout = asyncio.timeout(None if asks else self._remaining_s())
        return self.timeout

    async def ask_at_deadline(
        self, effects: CallEffects, ask: Callable[[InputRequest], Awaitable[InputAnswer]]
    ) -> None:
        """Ask a person for more time at each deadline, and end the task where one stops it. Never returns."""
        while True:
            if self._carried is None:
                await self._until_deadline_or_raised()
            if self._carried is not None or (self._remaining_s() or 0) <= 0:
                await self._ask(effects, ask)

    async def _until_deadline_or_raised(self) -> None:
        """Return at the deadline, or when a person has set another one."""
        deadline, remaining = self._loop.limits.deadline, self._remaining_s() or 0
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._loop.limits.deadline != deadline,
                timeout=timedelta(seconds=max(remaining, 0)),
                timeout_summary="The task's deadline",
            )

    async def _ask(self, effects: CallEffects, ask: Callable[[InputRequest], Awaitable[InputAnswer]]) -> None:
        request = self._carried or limit_request(effects, self.deadline_text, self._loop.steps)
        self._carried, self.deadline_request = None, request.id
        answer = await ask(request)
        if answer.decision == "raise" and answer.limits is not None:
            self._loop.raise_limits(answer.limits)
            self.deadline_request = None
        else:
            self.timeout.reschedule(asyncio.get_running_loop().time())
            await workflow.wait_condition(lambda: False)

    def check(self, changes: RaisedLimits, request: InputRequest | None = None) -> None:
        """Check new limits; those of an answer must lift the one that its request is about.

        Raises:
            SteeringInvalid: one would be lowered, or is still reached.
        """
        is_about_deadline = request is not None and request.id == self.deadline_request
        self._loop.check_limit_changes(changes, must_suffice=request is not None and not is_about_deadline)
        if changes.deadline is None:
            if is_about_deadline:
                raise SteeringInvalid("That is not enough: the deadline is reached. Give a later deadline, too.")
        elif (passed := self._elapsed_s()) >= changes.deadline:
            raise SteeringInvalid(f"The task has run for {passed:.0f} s: its deadline can't be {changes.deadline:g} s.")

    def raise_to(self, changes: RaisedLimits) -> None:
        """Set new limits for the rest of the task."""
        self._loop.raise_limits(changes)
        remaining = self._remaining_s()
        # A signal may come before the task starts; then ``start`` takes the new limits.
        is_running = self._is_started and not self.timeout.expired()
        if is_running and self._loop.limits.on_exhausted == "fail" and remaining is not None:
            self.timeout.reschedule(asyncio.get_running_loop().time() + remaining)

    def is_lifted(self, request: InputRequest) -> bool:
        """Return whether the limit that a request is about is no longer reached."""
        if request.id == self.deadline_request:
            return (self._remaining_s() or 0) > 0
        return self._loop.reached_limit() is None

    def _elapsed_s(self) -> float:
        return (workflow.now() - self._started_at).total_seconds()

    def _remaining_s(self) -> float | None:
        deadline = self._loop.limits.deadline
        return None if deadline is None else deadline - self._elapsed_s()


def read_limits(data: JsonValue) -> RaisedLimits:
    """Return new limits from JSON.

    Raises:
        SteeringInvalid: the data is none; the message names the fields.
    """
    try:
        return RaisedLimits.model_validate(data)
    except ValidationError as error:
        raise SteeringInvalid(f"These are no limits: {issues_text(error, data)}") from error
