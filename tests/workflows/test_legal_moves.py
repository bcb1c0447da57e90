"""Random moves of people on one task, compared with a model of what is legal.

On the real server: the one that skips time gives tasks to polls that have ended, once its time has jumped.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import CancelledError

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from agentkit.input_requests import InputRequest
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall
from agentkit.specs import PolicyRule
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import builtin_tools, tool
from tests.workflows.conftest import TIMEOUT_S, Handle, TaskEnvironment
from workflows.search_attributes import STATUS
from workflows.task_types import PendingInput, TaskView, ToolCallLedger

Move = Literal[
    "approve",
    "deny",
    "edit",
    "answer",
    "wrong",
    "outdated",
    "message",
    "interrupt",
    "pause",
    "resume",
    "raise",
    "lower",
    "restart",
    "cancel",
]
MOVES: tuple[Move, ...] = tuple(move for move in get_args(Move) if move != "cancel")
ASK = next(each for each in builtin_tools() if each.spec.name == "ask_person")
RULES = (PolicyRule.model_validate({"tool": "*", "then": "ask", "expires": "1h"}),)
MAX_EXAMPLES = 25
"""Few, for each takes half a second; raise it for a long run."""


async def script(request: ModelRequest) -> ScriptedResponse:
    """Pay, ask, pay twice at once, and finish."""
    step = sum(message.role == "assistant" for message in request.messages)
    calls: list[ScriptedResponse] = [
        ToolCall(id="a", name="pay", arguments={"cents": 1}),
        ToolCall(id="b", name="ask_person", arguments={"question": "Which?"}),
        [ToolCall(id="c", name="pay", arguments={"cents": 3}), ToolCall(id="d", name="pay", arguments={"cents": 4})],
    ]
    return calls[step] if step < len(calls) else "Done."


@dataclass
class Play:
    """One task, the moves made on it, and what must be true of it."""

    env: TaskEnvironment
    workers: AsyncExitStack
    paid: list[int] = field(default_factory=list)
    """What the tool has done."""
    approved: list[int] = field(default_factory=list)
    """What it may have done: the arguments of approvals."""
    sent: list[str] = field(default_factory=list)
    is_paused: bool = False
    is_cancelled: bool = False
    by_signal: bool = False
    handle: Handle = field(init=False)

    async def start(self) -> None:
        await self.start_worker()
        agent = self.env.agent(self.pay, ASK, policy=RULES)
        self.handle = await self.env.start("Go.", agent)

    async def start_worker(self) -> None:
        paid = self.paid

        @tool(effect="irreversible")
        def pay(cents: int) -> str:
            paid.append(cents)
            return f"paid {cents}"

        self.pay = pay
        await self.workers.enter_async_context(self.env.worker(ScriptedModel(script), pay, ASK))

    async def pending(self) -> tuple[InputRequest, ...]:
        found: PendingInput = await self.handle.query("input_requests", result_type=PendingInput)
        return found.input_requests

    async def settled_view(self) -> TaskView:
        """Wait until the task needs a person, or has ended."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                view: TaskView = await self.handle.query("status", result_type=TaskView)
                if view.status != "running":
                    return view

    async def change(self, name: str, *data: Any, is_legal: bool = True) -> None:
        """Send an update, which must have the right verdict, or a signal."""
        if self.by_signal:
            await self.handle.signal(name, *data)
            return
        try:
            await self.handle.execute_update(name, *data)
        except WorkflowUpdateFailedError:
            assert not is_legal, (name, data)
        else:
            assert is_legal, (name, data)

    async def make(self, move: Move) -> None:
        match move:
            case "message" | "interrupt":
                text = f"message {len(self.sent)}"
                self.sent.append(text)
                await self.change("send_message", {"text": text, "mode": "enqueue" if move == "message" else move})
            case "pause" | "resume":
                self.is_paused = move == "pause"
                await self.change(move)
            case "raise":
                await self.change("raise_limits", {"max_steps": 500})
            case "lower":
                await self.change("raise_limits", {"max_steps": 1}, is_legal=False)
            case "restart":
                await self.workers.aclose()
                await self.start_worker()
            case "cancel":
                self.is_cancelled = True
                await self.handle.cancel()
            case _:
                await self.answer(move)

    async def answer(self, move: Move) -> None:
        """Answer the oldest pending request: rightly where its kind takes the move, else to be refused."""
        pending = await self.pending()
        if not pending:
            await self.change("answer_input", {"input_request_id": "input_99", "decision": "approve"}, is_legal=False)
            return
        request = pending[0]
        answer: dict[str, Any] = {"input_request_id": request.id}
        is_call = request.kind == "approval"
        match move:
            case "approve" if is_call and request.arguments is not None:
                self.approved.append(int(str(request.arguments["cents"])))
                await self.change("answer_input", {**answer, "decision": "approve", "sha256": request.sha256})
            case "edit" if is_call:
                await self.change("answer_input", {**answer, "decision": "approve", "arguments": {"cents": 50}})
            case "deny" if is_call:
                await self.change("answer_input", {**answer, "decision": "deny"})
            case "answer" if not is_call:
                await self.change("answer_input", {**answer, "decision": "answer", "answer": "This."})
            case "outdated" if is_call:
                await self.change("answer_input", {**answer, "decision": "approve", "sha256": "0"}, is_legal=False)
            case _:
                await self.change("answer_input", {**answer, "decision": "happened"}, is_legal=False)

    async def check(self) -> None:
        """Check what must hold between any two moves."""
        view = await self.settled_view()
        if view.status in ("completed", "cancelled"):
            return
        assert view.status == ("paused" if self.is_paused else "waiting")
        listed = (await self.handle.describe()).typed_search_attributes.get(STATUS)
        assert listed == view.status
        self.check_effects()

    def check_effects(self) -> None:
        for cents in set(self.paid):
            assert self.paid.count(cents) <= self.approved.count(cents), "a call without its approval, or made twice"

    async def finish(self) -> None:
        """Let the task end, and check what has become of everything."""
        self.by_signal = False
        if self.is_paused and not self.is_cancelled:
            await self.make("resume")
        async with asyncio.timeout(TIMEOUT_S):
            while not self.is_cancelled and (await self.settled_view()).status == "waiting":
                for request in await self.pending():
                    decision = "deny" if request.kind == "approval" else "decline"
                    await self.change("answer_input", {"input_request_id": request.id, "decision": decision})
        if self.is_cancelled:
            with pytest.raises(WorkflowFailureError) as raised:
                await self.env.result(self.handle)
            assert isinstance(raised.value.cause, CancelledError)
        else:
            assert (await self.env.result(self.handle)).output == "Done."
            transcript = await self.env.transcript(self.handle)
            read = [message.text for message in transcript if message.role == "user"]
            assert read == ["Go.", *self.sent], "each message once, in order"
        self.check_effects()
        ledger: ToolCallLedger = await self.handle.query("tool_calls", result_type=ToolCallLedger)
        done = [entry for entry in ledger.tool_calls if entry.tool == "pay" and entry.state == "done"]
        assert len(done) == len(self.paid)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for all examples."""
    with asyncio.Runner() as runner:
        yield runner


async def play(address: str, moves: list[tuple[Move, bool]], *, ends_cancelled: bool) -> None:
    """Make the moves on a task, and check it after each."""
    with tempfile.TemporaryDirectory() as directory:
        own = Settings(data_dir=Path(directory), task_queue=f"queue-{uuid.uuid4().hex}")
        client = await Client.connect(address, data_converter=data_converter(own))
        async with AsyncExitStack() as workers:
            task = Play(TaskEnvironment(client, own), workers)
            await task.start()
            await task.check()
            for move, by_signal in moves:
                if (await task.settled_view()).status == "completed":
                    break
                task.by_signal = by_signal
                await task.make(move)
                await task.check()
            if ends_cancelled and (await task.settled_view()).status != "completed":
                await task.make("cancel")
            await task.finish()


@settings(
    max_examples=MAX_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    moves=st.lists(st.tuples(st.sampled_from(MOVES), st.booleans()), min_size=3, max_size=14),
    ends_cancelled=st.sampled_from([False, False, False, True]),
)
def test_no_move_breaks_what_the_docs_promise(
    runner: asyncio.Runner,
    temporal_address: str,
    moves: list[tuple[Move, bool]],
    ends_cancelled: bool,  # hypothesis gives it by name
) -> None:
    note(f"{moves} {ends_cancelled}")
    runner.run(play(temporal_address, moves, ends_cancelled=ends_cancelled))
