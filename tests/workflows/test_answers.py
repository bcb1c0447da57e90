"""Answers to input requests by update: verdicts, races, changed arguments, remembered decisions, questions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError

from agentkit.messages import ToolCall
from agentkit.specs import PolicyRule
from agentkit.testing import ScriptedModel
from agentkit.tools import builtin_tools, tool
from tests.workflows.answering import pending_requests
from tests.workflows.conftest import TaskEnvironment
from tests.workflows.steering_calls import answer_now, refusal_of
from workflows.task_types import AnswerVerdict, ToolCallLedger

PAY = ToolCall(id="c", name="pay", arguments={"cents": 700})
ASK = next(each for each in builtin_tools() if each.spec.name == "ask_person")


@tool(effect="irreversible")
def pay(cents: int) -> str:
    return f"paid {cents}"


def question(**arguments: JsonValue) -> ToolCall:
    return ToolCall(id="q", name="ask_person", arguments={"question": "Which colour?", **arguments})


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param({"input_request_id": "input_7", "decision": "approve"}, "InputRequestNotFound", id="unknown"),
        pytest.param({"decision": "happened"}, "AnswerMismatch", id="decision"),
        pytest.param({"decision": "approve", "sha256": "0" * 64}, "AnswerOutdated", id="hash"),
        pytest.param({"decision": "approve", "answered_by": "eve"}, "AnswerNotAllowed", id="person"),
        pytest.param({"decision": "approve", "arguments": {"cents": "x"}}, "AnswerMismatch", id="arguments"),
        pytest.param({"decision": "approve", "arguments": {"cents": 9000}}, "AnswerMismatch", id="policy"),
        pytest.param({"decision": "approve", "colour": "red"}, "AnswerMismatch", id="field"),
        pytest.param(
            {"decision": "approve", "arguments": {"cents": 5}, "remember": "task"}, "AnswerMismatch", id="remember"
        ),
    ],
)
async def test_each_answer_that_is_not_accepted_has_its_own_verdict(
    env: TaskEnvironment, data: dict[str, Any], kind: str
) -> None:
    rules = (
        PolicyRule.model_validate({"tool": "pay", "if": {"cents": {"gt": 1000}}, "then": "deny"}),
        PolicyRule(tool="pay", then="ask", approvers=("ada",)),
    )
    async with env.worker(ScriptedModel([PAY, "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay, policy=rules))
        (request,) = await pending_requests(handle)
        full = {"input_request_id": "input_1", "answered_by": "ada", **data}
        assert (await refusal_of(handle, "answer_input", full))[0] == kind
        assert await pending_requests(handle) == (request,)
        assert (await answer_now(handle, "input_1", "approve", answered_by="ada")).is_settled
        assert (await env.result(handle)).output == "Paid."


async def test_of_two_answers_at_once_one_wins_and_the_other_gets_a_verdict(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([PAY, "Done."]), pay):
        handle = await env.start("Go.", env.agent(pay))
        await pending_requests(handle)
        outcomes = await asyncio.gather(
            answer_now(handle, "input_1", "approve"), answer_now(handle, "input_1", "deny"), return_exceptions=True
        )
        await env.result(handle)
    (won,) = [outcome for outcome in outcomes if isinstance(outcome, AnswerVerdict)]
    (lost,) = [outcome for outcome in outcomes if isinstance(outcome, WorkflowUpdateFailedError)]
    assert won.is_settled
    assert isinstance(lost.cause, ApplicationError)
    assert lost.cause.type == "AlreadyAnswered"


async def test_of_an_answer_and_a_cancellation_at_once_both_are_honoured_or_the_answer_has_a_verdict(
    env: TaskEnvironment,
) -> None:
    calls: list[int] = []

    @tool(effect="irreversible")
    def pay(cents: int) -> str:
        calls.append(cents)
        return "paid"

    async with env.worker(ScriptedModel.by_step([PAY, "Paid."]), pay):
        for _ in range(10):
            calls.clear()
            handle = await env.start("Go.", env.agent(pay))
            await pending_requests(handle)
            outcomes = await asyncio.gather(
                answer_now(handle, "input_1", "approve"), handle.cancel(), return_exceptions=True
            )
            with pytest.raises(WorkflowFailureError) as raised:
                await env.result(handle)
            assert isinstance(raised.value.cause, CancelledError)
            ledger = await handle.query("tool_calls", result_type=ToolCallLedger)
            (entry,) = ledger.tool_calls
            if calls:
                assert isinstance(outcomes[0], AnswerVerdict)
                assert entry.state in ("done", "unknown")
            else:
                assert entry.state in ("awaiting_approval", "proposed", "started", "unknown")


async def test_changed_arguments_are_asked_about_again_and_then_called_with(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([PAY, "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay))
        (first,) = await pending_requests(handle)
        verdict = await answer_now(handle, first.id, "approve", arguments={"cents": 50}, answered_by="ada")
        (second,) = await pending_requests(handle)
        await answer_now(handle, second.id, "approve", answered_by="ada", sha256=second.sha256)
        await env.result(handle)
        (result,) = await env.tool_results(handle)
        ledger = await handle.query("tool_calls", result_type=ToolCallLedger)
    assert (verdict.asks_again, second.id, second.arguments) == (True, "input_2", {"cents": 50})
    assert second.sha256 != first.sha256
    assert "changed by person: ada" in (second.reason or "")
    assert result.content.endswith("paid 50")
    assert 'person: ada changed the arguments, so it was called with {"cents": 50}' in result.content
    assert (ledger.tool_calls[0].state, ledger.tool_calls[0].attempts) == ("done", 1)


async def test_an_approval_with_unchanged_arguments_is_one_of_the_several_that_are_needed(env: TaskEnvironment) -> None:
    rules = (PolicyRule(tool="pay", then="ask", count=2),)
    async with env.worker(ScriptedModel([PAY, "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay, policy=rules))
        (request,) = await pending_requests(handle)
        first = await answer_now(handle, request.id, "approve", answered_by="ada", arguments={"cents": 700})
        assert not first.is_settled
        assert (await answer_now(handle, request.id, "approve", answered_by="eve")).is_settled
        assert (await env.result(handle)).output == "Paid."


async def test_changed_arguments_that_the_policy_allows_are_called_with_at_once(env: TaskEnvironment) -> None:
    rules = (PolicyRule.model_validate({"tool": "pay", "if": {"cents": {"lte": 100}}, "then": "allow"}),)
    async with env.worker(ScriptedModel([PAY, "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay, policy=rules))
        await pending_requests(handle)
        verdict = await answer_now(handle, "input_1", "approve", arguments={"cents": 50})
        await env.result(handle)
        (result,) = await env.tool_results(handle)
    assert not verdict.asks_again
    assert result.content.endswith("paid 50")


@pytest.mark.parametrize(
    ("remember", "second", "asks_again"),
    [
        pytest.param(None, 700, True, id="not remembered: an identical call asks again"),
        pytest.param("task", 700, False, id="tool: identical call"),
        pytest.param("task", 800, False, id="tool: other arguments"),
        pytest.param("task_same_arguments", 700, False, id="arguments: identical call"),
        pytest.param("task_same_arguments", 800, True, id="arguments: others"),
    ],
)
async def test_an_approval_holds_for_later_calls_only_if_it_is_remembered(
    env: TaskEnvironment, remember: str | None, second: int, *, asks_again: bool
) -> None:
    later = ToolCall(id="d", name="pay", arguments={"cents": second})
    async with env.worker(ScriptedModel([PAY, later, "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay))
        await pending_requests(handle)
        fields: dict[str, JsonValue] = {} if remember is None else {"remember": remember}
        await answer_now(handle, "input_1", "approve", answered_by="ada", **fields)
        if asks_again:
            (request,) = await pending_requests(handle)
            await answer_now(handle, request.id, "deny")
        await env.result(handle)
        ledger = await handle.query("tool_calls", result_type=ToolCallLedger)
    states = [entry.state for entry in ledger.tool_calls]
    assert states == ["done", "refused" if asks_again else "done"]
    if not asks_again:
        assert ledger.tool_calls[1].decided_by is None or "remembered" in ledger.tool_calls[1].decided_by


async def test_a_remembered_denial_refuses_later_calls(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([PAY, PAY.model_copy(update={"id": "d"}), "No."]), pay):
        handle = await env.start("Go.", env.agent(pay))
        await pending_requests(handle)
        await answer_now(handle, "input_1", "deny", remember="task")
        await env.result(handle)
        ledger = await handle.query("tool_calls", result_type=ToolCallLedger)
    assert [entry.state for entry in ledger.tool_calls] == ["refused", "refused"]


@pytest.mark.parametrize(
    ("arguments", "wrong", "right", "content"),
    [
        pytest.param({}, 5, "the red one", "the red one", id="text"),
        pytest.param({"choices": ["red", "blue"]}, "green", "blue", "blue", id="choice"),
        pytest.param(
            {"schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
            {"n": "x"},
            {"n": 3},
            '{"n": 3}',
            id="form",
        ),
    ],
)
async def test_a_question_is_answered_by_what_fits_it(
    env: TaskEnvironment, arguments: dict[str, JsonValue], wrong: JsonValue, right: JsonValue, content: str
) -> None:
    async with env.worker(ScriptedModel([question(**arguments), "Thanks."]), ASK):
        handle = await env.start("Go.", env.agent(ASK))
        (request,) = await pending_requests(handle)
        assert (request.kind, request.message) == ("question", "Which colour?")
        refused = {"input_request_id": request.id, "decision": "answer", "answer": wrong}
        assert (await refusal_of(handle, "answer_input", refused))[0] == "AnswerMismatch"
        await answer_now(handle, request.id, "answer", answer=right)
        await env.result(handle)
        (result,) = await env.tool_results(handle)
    assert (result.content, result.is_error) == (content, False)


async def test_a_question_that_nobody_answers_gives_the_model_a_result(time_skipping_env: TaskEnvironment) -> None:
    env = time_skipping_env
    rules = (PolicyRule.model_validate({"tool": "ask_person", "then": "ask", "expires": "2d", "approvers": ["ada"]}),)
    async with env.worker(ScriptedModel([question(), "I chose red."]), ASK):
        handle = await env.start("Go.", env.agent(ASK, policy=rules))
        result = await env.result(handle)
        (tool_result,) = await env.tool_results(handle)
    assert result.output == "I chose red."
    assert "was not answered. Nobody answered in time." in tool_result.content


async def test_a_declined_question_gives_the_model_the_comment(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([question(), "Fine."]), ASK):
        handle = await env.start("Go.", env.agent(ASK))
        await pending_requests(handle)
        await answer_now(handle, "input_1", "decline", comment="Choose yourself.")
        await env.result(handle)
        (result,) = await env.tool_results(handle)
    assert "Choose yourself." in result.content


async def test_an_answer_given_while_every_worker_is_down_is_applied_by_the_next(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([PAY]), pay):
        handle = await env.start("Go.", env.agent(pay))
        await pending_requests(handle)
    await handle.signal("answer_input", {"input_request_id": "input_1", "decision": "approve"})
    async with env.worker(ScriptedModel(["Paid."]), pay):
        assert (await env.result(handle)).output == "Paid."
