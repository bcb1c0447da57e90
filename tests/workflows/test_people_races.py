"""What people and the task do at the same moment: each outcome is a legal one, and nothing is lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError

from agentkit.messages import ToolCall
from agentkit.specs import PolicyRule
from agentkit.testing import ScriptedModel
from agentkit.tools import tool
from tests.workflows.answering import pending_requests
from tests.workflows.conftest import TaskEnvironment
from tests.workflows.steering_calls import answer_now, send_now, view_when
from workflows.task_types import AnswerVerdict, TaskView, ToolCallLedger

PAY = ToolCall(id="c", name="pay", arguments={"cents": 700})
ROUNDS = 8


@tool(effect="irreversible")
def pay(cents: int) -> str:
    return f"paid {cents}"


def verdict_type(outcome: object) -> str | None:
    """Return the type of a refused update's error; None: it was accepted."""
    if not isinstance(outcome, WorkflowUpdateFailedError):
        return None
    assert isinstance(outcome.cause, ApplicationError)
    return outcome.cause.type


async def test_of_an_answer_and_an_expiry_at_once_one_decides(env: TaskEnvironment) -> None:
    rule = PolicyRule.model_validate({"tool": "pay", "then": "ask", "expires": 0.4, "on_expiry": "deny"})
    async with env.worker(ScriptedModel.by_step([PAY, "Done."]), pay):
        for number in range(ROUNDS):
            handle = await env.start("Go.", env.agent(pay, policy=(rule,)))
            (request,) = await pending_requests(handle)
            assert request.expires_at is not None
            at = request.expires_at + timedelta(milliseconds=4 * (number - ROUNDS // 2))
            async with asyncio.timeout(10):
                while (await view_when(handle, bool)).status == "waiting" and datetime.now(UTC) < at:
                    pass
            try:
                outcome: object = await answer_now(handle, request.id, "approve")
            except (WorkflowUpdateFailedError, RPCError) as error:
                outcome = error
            await env.result(handle)
            ledger: ToolCallLedger = await handle.query("tool_calls", result_type=ToolCallLedger)
            (entry,) = ledger.tool_calls
            if isinstance(outcome, AnswerVerdict):
                assert (entry.state, entry.decided_by) == ("done", "person")
            else:
                assert (entry.state, entry.decided_by) == ("refused", "person: expiry")
                assert isinstance(outcome, RPCError) or verdict_type(outcome) == "AnswerExpired"


async def test_an_interruption_while_a_call_ends_keeps_its_result_or_says_that_it_was_cancelled(
    env: TaskEnvironment,
) -> None:
    @tool(effect="idempotent")
    async def work() -> str:
        return "worked"

    model = ScriptedModel.by_step([ToolCall(id="w", name="work"), "Done."])
    async with env.worker(model, work):
        for _ in range(ROUNDS):
            handle = await env.start("Go.", env.agent(work))
            await view_when(handle, lambda view: view.steps >= 1)
            is_sent = True
            try:
                await send_now(handle, "Stop.", mode="interrupt")
            except (RPCError, WorkflowUpdateFailedError):  # the task has ended
                is_sent = False
            assert (await env.result(handle)).output == "Done."
            read = [message.text for message in await env.transcript(handle) if message.role == "user"]
            assert read == (["Go.", "Stop."] if is_sent else ["Go."])
            for result in await env.tool_results(handle):
                assert result.content == "worked" or "a person interrupted" in result.content


async def test_of_two_checked_answers_at_once_one_wins(env: TaskEnvironment) -> None:
    rules = (PolicyRule.model_validate({"tool": "pay", "if": {"cents": {"lte": 100}}, "then": "allow"}),)
    async with env.worker(ScriptedModel.by_step([PAY, "Done."]), pay):
        handle = await env.start("Go.", env.agent(pay, policy=rules))
        await pending_requests(handle)
        outcomes = await asyncio.gather(
            *(answer_now(handle, "input_1", "approve", arguments={"cents": cents}) for cents in (10, 20)),
            return_exceptions=True,
        )
        await env.result(handle)
        (result,) = await env.tool_results(handle)
    assert sorted(map(str, map(verdict_type, outcomes))) == ["AlreadyAnswered", "None"]
    won = 10 if isinstance(outcomes[0], AnswerVerdict) else 20
    assert result.content.endswith(f"paid {won}")


async def test_a_task_that_is_cancelled_while_an_answer_is_checked_ends(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel.by_step([PAY, "Done."]), pay):
        for _ in range(ROUNDS):
            handle = await env.start("Go.", env.agent(pay))
            await pending_requests(handle)
            await asyncio.gather(
                answer_now(handle, "input_1", "approve", arguments={"cents": 10}),
                handle.cancel(),
                return_exceptions=True,
            )
            with pytest.raises(WorkflowFailureError) as raised:
                await env.result(handle)
            assert isinstance(raised.value.cause, CancelledError)


async def test_new_limits_and_an_answer_about_them_at_once_let_the_task_go_on(env: TaskEnvironment) -> None:
    calls = [ToolCall(id=f"c{number}", name="pay", arguments={"cents": number}) for number in range(4)]
    rules = (PolicyRule(tool="*", then="allow"),)
    async with env.worker(ScriptedModel.by_step([*calls, "Done."]), pay):
        for _ in range(ROUNDS):
            limits = {"max_steps": 2, "on_exhausted": "ask"}
            handle = await env.start("Go.", env.agent(pay, policy=rules, limits=limits))
            await pending_requests(handle)
            outcomes = await asyncio.gather(
                answer_now(handle, "input_1", "raise", limits={"max_steps": 9}),
                handle.execute_update("raise_limits", {"max_steps": 8}),
                return_exceptions=True,
            )
            assert (await env.result(handle)).output == "Done."
            assert verdict_type(outcomes[0]) in (None, "AlreadyAnswered")
            assert verdict_type(outcomes[1]) in (None, "SteeringInvalid")


async def test_of_several_requests_one_is_escalated_and_the_others_stay(env: TaskEnvironment) -> None:
    rules = (
        PolicyRule.model_validate(
            {
                **{"tool": "pay", "then": "ask", "if": {"cents": {"lte": 1}}, "expires": 0.3, "approvers": ["ada"]},
                **{"on_expiry": "escalate", "escalate_to": ["grace"]},
            }
        ),
        PolicyRule(tool="pay", then="ask"),
    )
    calls = [ToolCall(id=f"c{cents}", name="pay", arguments={"cents": cents}) for cents in (1, 2, 3)]
    async with env.worker(ScriptedModel([calls, "Done."]), pay):
        handle = await env.start("Go.", env.agent(pay, policy=rules))
        await pending_requests(handle, 3)
        async with asyncio.timeout(10):
            while (requests := await pending_requests(handle, 3))[0].approvers != ("grace",):
                pass
        person: dict[str, JsonValue] = {"answered_by": "grace"}
        for request in requests:
            await answer_now(handle, request.id, "approve", **person)
        assert (await env.result(handle)).output == "Done."
        ledger: ToolCallLedger = await handle.query("tool_calls", result_type=ToolCallLedger)
    assert [(entry.state, entry.decided_by) for entry in ledger.tool_calls] == [("done", "person: grace")] * 3


async def test_a_paused_task_with_messages_continues_as_new_when_it_is_resumed(
    short_history_env: TaskEnvironment,
) -> None:
    env = short_history_env

    @tool(effect="pure")
    def look(number: int) -> str:
        return f"seen {number}"

    calls = [ToolCall(id=f"c{number}", name="look", arguments={"number": number}) for number in range(20)]
    sent: list[str] = []
    async with env.worker(ScriptedModel.by_step([*calls, "Done."]), look):
        handle = await env.start("Go.", env.agent(look, limits={"max_repeats": 0}))
        for number in range(4):
            await handle.execute_update("pause")
            sent.append(f"message {number}")
            await send_now(handle, sent[-1], id=str(number))
            view: TaskView = await view_when(handle, lambda view: view.status == "paused")
            assert view.status == "paused"
            await handle.execute_update("resume")
        assert (await env.result(handle)).output == "Done."
        read = [message.text for message in await env.transcript(handle) if message.role == "user"]
        assert (await handle.describe()).run_id != handle.first_execution_run_id
    assert read == ["Go.", *sent]
