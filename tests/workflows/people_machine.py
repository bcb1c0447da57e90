"""Any moves of people on tasks, one after the other, compared with what is expected after each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from tests.workflows.conftest import TIMEOUT_S, Handle
from tests.workflows.expected_task import ALLOWED_CENTS, DENIED_CENTS, ExpectedTask, OnExpiry, PlannedCall
from tests.workflows.people_desk import Desk, expectation
from tests.workflows.people_moves import ANY_MOVE, Intent, Move, apply_move

__all__ = ["PeopleMachine"]

_T = TypeVar("_T")

_PAY = st.builds(PlannedCall, st.just("pay"), st.sampled_from((700, 700, 800, ALLOWED_CENTS, DENIED_CENTS + 1)))
_CALLS = st.lists(_PAY | st.builds(PlannedCall, st.sampled_from(("ask_person", "look"))), min_size=1, max_size=3)
_ON_EXPIRY: st.SearchStrategy[OnExpiry] = st.sampled_from(("approve", "deny", "fail", "escalate"))
_TASK = st.builds(
    ExpectedTask,
    script=st.lists(_CALLS.map(tuple), max_size=4).map(tuple),
    on_expiry=_ON_EXPIRY,
    max_steps=st.integers(1, 6),
    asks_at_limit=st.booleans(),
)
_SENT_BY = st.sampled_from(("update", "signal"))
_LATE_MOVES = 2
"""Of one task that has ended."""


class PeopleMachine(RuleBasedStateMachine):
    """Makes the same moves on a task and on the expected one; they must agree after each."""

    runner: asyncio.Runner
    expected: ExpectedTask
    desk: Desk
    handle: Handle
    late_moves = 0

    async def open_desk(self) -> Desk:
        """Return a desk with a worker."""
        raise NotImplementedError

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(asyncio.wait_for(work, TIMEOUT_S))

    @initialize(task=_TASK)
    def start(self, task: ExpectedTask) -> None:
        self.expected, self.late_moves = task, 0
        self.desk = self.run(self.open_desk())
        self.handle = self.run(self.desk.start_task(self.expected))
        self.agree()

    @precondition(lambda self: self.expected.outcome is not None)
    @rule(task=_TASK)
    def start_another(self, task: ExpectedTask) -> None:
        self.run(self.desk.close())
        self.start(task)

    @precondition(lambda self: self.expected.outcome is None)
    @rule(intent=ANY_MOVE, sent_by=_SENT_BY)
    def move(self, intent: Intent, sent_by: str) -> None:
        if (move := apply_move(self.expected, intent)) is not None:
            self.run(self.by_update(move) if sent_by == "update" else self.by_signal(move))
            self.agree()

    @precondition(lambda self: self.expected.outcome is None and self.expected.phase == "model")
    @rule()
    def the_language_model_responds(self) -> None:
        self.expected.respond()
        self.desk.permits.release()
        self.agree()

    @precondition(lambda self: self.expected.outcome is None and self.expected.steps > 2)
    @rule()
    def cancel(self) -> None:
        self.run(self.handle.cancel())
        self.expected.outcome = "cancelled"
        self.agree()

    @precondition(lambda self: self.expected.outcome is not None and self.late_moves < _LATE_MOVES)
    @rule(intent=ANY_MOVE, sent_by=_SENT_BY)
    def a_move_is_too_late(self, intent: Intent, sent_by: str) -> None:
        self.late_moves += 1
        name = {"send": "send_message", "pause": "pause", "raise": "raise_limits"}.get(intent.kind, "answer_input")
        move = Move(name, {"text": "Too late.", "input_request_id": "input_1", "decision": "approve"})
        with pytest.raises(RPCError) as raised:
            self.run(self.by_update(move) if sent_by == "update" else self.by_signal(move))
        assert raised.value.status is RPCStatusCode.NOT_FOUND

    async def by_signal(self, move: Move) -> None:
        await self.handle.signal(move.name, args=move.arguments)

    async def by_update(self, move: Move) -> None:
        refusal = ""
        try:
            await self.handle.execute_update(move.name, args=move.arguments)
        except WorkflowUpdateFailedError as error:
            refusal = getattr(error.cause, "type", None) or repr(error.cause)
        assert refusal in (move.refusal or "").split(" or "), move

    def agree(self) -> None:
        """Wait until the task is as expected."""
        self.expected.advance()
        self.run(self._agree(expectation(self.expected)))

    async def _agree(self, wanted: dict[str, Any]) -> None:
        seen: dict[str, Any] = {}
        try:
            async with asyncio.timeout(TIMEOUT_S / 3):
                while seen != wanted:
                    seen = await self.desk.observe(self.handle)
        except TimeoutError:
            assert seen == wanted

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.run(self.desk.close())
