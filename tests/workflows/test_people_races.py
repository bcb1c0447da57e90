"""What people do at the same moment as the task, or as each other, on a real server: nothing is lost or done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError
from temporalio.worker import Worker

from agentkit.interfaces import ModelRequest, Tool
from agentkit.messages import Message, ToolCall, ToolResult
from agentkit.specs import PolicyRule
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry, builtin_tools, tool
from tests.workflows.answering import pending_requests
from tests.workflows.conftest import TIMEOUT_S, Handle, TaskEnvironment
from tests.workflows.gates import GatedChecker, GatedModel, GatedTool
from tests.workflows.steering_calls import answer_now, refusal_of, send_now, view_when
from worker import build_worker
from workflows.search_attributes import INPUT, MEMO_INPUT_REQUESTS, STATUS
from workflows.task_types import AnswerVerdict, LimitsVerdict, ToolCallLedger

PAY = ToolCall(id="p", name="pay", arguments={"cents": 700})
WORK = ToolCall(id="w", name="work")
ASK = next(each for each in builtin_tools() if each.spec.name == "ask_person")
TIMES = 8
"""How often a race is run: which of the two is first varies."""


class Payments:
    """The tool ``pay``, and the payments that it made."""

    def __init__(self) -> None:
        self.made: list[int] = []

        @tool(effect="irreversible")
        def pay(cents: int) -> str:
            self.made.append(cents)
            return f"paid {cents}"

        self.tool: Tool = pay


def checked_worker(env: TaskEnvironment, checker: GatedChecker, model: ScriptedModel, *tools: Tool) -> Worker:
    return build_worker(env.client, env.settings, {"scripted": model}, ToolRegistry(tools), checker)


async def states(handle: Handle) -> dict[str, str]:
    ledger = await handle.query("tool_calls", result_type=ToolCallLedger)
    return {entry.call_id: entry.state for entry in ledger.tool_calls}


def texts(transcript: list[Message], role: str) -> list[str]:
    return [message.text for message in transcript if message.role == role]


def results_of(transcript: list[Message]) -> list[ToolResult]:
    return [part for message in transcript for part in message.parts if isinstance(part, ToolResult)]


def kind_of(outcome: object) -> str:
    """Return the kind of error of a refused update; else the name of its verdict's type."""
    if isinstance(outcome, WorkflowUpdateFailedError) and isinstance(outcome.cause, ApplicationError):
        return outcome.cause.type or ""
    return type(outcome).__name__


async def until_fired(env: TaskEnvironment, handle: Handle) -> None:
    """Wait until a timer of the task has fired; no worker need have seen it."""
    async with asyncio.timeout(TIMEOUT_S):
        while EventType.EVENT_TYPE_TIMER_FIRED not in [event.event_type for event in await env.history(handle)]:
            pass


@pytest.mark.parametrize(("on_expiry", "decision"), [("approve", "deny"), ("deny", "approve")])
async def test_of_an_answer_and_an_expiry_at_once_one_counts_and_the_answer_has_its_verdict(
    env: TaskEnvironment, on_expiry: Any, decision: str
) -> None:
    paying, kinds, gate = Payments(), Counter[str](), asyncio.Event()

    async def respond(request: ModelRequest) -> ScriptedResponse:
        if request.messages[-1].role == "user":
            return PAY
        await gate.wait()
        return "Done."

    async def race(early_ms: int, expires_s: int = 3) -> None:
        rules = (PolicyRule(tool="pay", then="ask", expires=expires_s, on_expiry=on_expiry),)
        handle = await env.start("Go.", env.agent(paying.tool, policy=rules))
        (request,) = await pending_requests(handle)
        assert request.expires_at is not None
        while datetime.now(UTC) < request.expires_at - timedelta(milliseconds=early_ms):
            await handle.query("status")
        if early_ms < -100:
            await view_when(handle, lambda view: view.steps == 2)  # a worker has seen the expiry
        (outcome,) = await asyncio.gather(answer_now(handle, "input_1", decision), return_exceptions=True)
        kinds[kind_of(outcome)] += 1
        await view_when(handle, lambda view: view.steps == 2)
        is_counted = isinstance(outcome, AnswerVerdict)
        is_paid = (decision if is_counted else on_expiry) == "approve"
        assert (await states(handle))["p"] == ("done" if is_paid else "refused")
        kinds["paid"] += is_paid

    async with env.worker(ScriptedModel(respond), paying.tool):
        at_once = race(600_000, expires_s=600)  # in time, however busy the machine is
        await asyncio.gather(at_once, *(race(early_ms) for early_ms in (30, 20, 10, 5, 0, -5, -200)))
        gate.set()
    assert len(paying.made) == kinds["paid"]
    assert set(kinds) <= {"AnswerVerdict", "AnswerExpired", "paid"}
    assert kinds["AnswerVerdict"]
    assert kinds["AnswerExpired"]


async def test_a_denial_that_no_worker_read_before_the_expiry_counts_where_that_would_approve(
    env: TaskEnvironment,
) -> None:
    rules = (PolicyRule(tool="pay", then="ask", expires=1, on_expiry="approve"),)
    paying = Payments()
    async with env.worker(ScriptedModel([PAY]), paying.tool):
        handle = await env.start("Go.", env.agent(paying.tool, policy=rules))
        await pending_requests(handle)
    await handle.signal("answer_input", {"input_request_id": "input_1", "decision": "deny"})
    await until_fired(env, handle)
    async with env.worker(ScriptedModel(["Not paid."]), paying.tool):
        assert (await env.result(handle)).output == "Not paid."
    assert paying.made == []


async def test_an_interruption_while_a_tool_finishes_keeps_its_result_or_says_that_it_was_cancelled(
    env: TaskEnvironment,
) -> None:
    outcomes: Counter[str] = Counter()
    for _ in range(TIMES):
        working = GatedTool()
        work = tool(name="work", effect="idempotent")(working.__call__)
        async with env.worker(ScriptedModel.by_step([WORK, "Done.", "Done."]), work):
            handle = await env.start("Go.", env.agent(work))
            await asyncio.wait_for(working.started.wait(), TIMEOUT_S)
            working.gate.set()
            await send_now(handle, "Stop.", mode="interrupt")
            assert (await env.result(handle)).output == "Done."
            (result,) = await env.tool_results(handle)
            assert texts(await env.transcript(handle), "user") == ["Go.", "Stop."]
            outcomes[result.content] += 1
            assert (await states(handle))["w"] == ("failed" if result.is_error else "done")
    assert all(content == "worked" or "a person interrupted" in content for content in outcomes)


async def test_an_interruption_while_the_model_responds_loses_neither_response_nor_message(
    env: TaskEnvironment,
) -> None:
    pay_at_once = (PolicyRule(tool="pay", then="allow"),)
    for _ in range(TIMES):
        model, paying = GatedModel(ScriptedModel.by_step([PAY, "Stopped.", "Stopped.", "Stopped."])), Payments()
        async with env.worker(model, paying.tool):
            handle = await env.start("Go.", env.agent(paying.tool, policy=pay_at_once))
            await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
            model.gate.set()
            await send_now(handle, "Stop.", mode="interrupt")
            await env.result(handle)
            transcript = await env.transcript(handle)
            found = await states(handle)
        assert texts(transcript, "user") == ["Go.", "Stop."]
        results = results_of(transcript)
        assert len(results) == sum(len(message.tool_calls) for message in transcript)
        assert [found[result.call_id] for result in results] == ["not_done" if r.is_error else "done" for r in results]
        assert len(paying.made) == sum(not result.is_error for result in results)


async def test_answer_pause_and_resume_at_once_make_the_call_once(env: TaskEnvironment) -> None:
    paying = Payments()
    async with env.worker(ScriptedModel.by_step([PAY, "Paid.", "Welcome."]), paying.tool):
        for number in range(TIMES):
            handle = await env.start("Go.", env.agent(paying.tool))
            await pending_requests(handle)
            await asyncio.gather(
                handle.execute_update("pause"), answer_now(handle, "input_1", "approve"), handle.signal("pause")
            )
            assert (await view_when(handle, lambda view: "input_1" not in view.doing)).status == "paused"
            assert len(paying.made) <= number + 1
            await asyncio.gather(handle.execute_update("resume"), send_now(handle, "Thanks."), handle.signal("resume"))
            await env.result(handle)
            assert texts(await env.transcript(handle), "user") == ["Go.", "Thanks."]
            assert len(paying.made) == number + 1


async def test_a_message_to_a_paused_task_waits_with_it_and_is_read_once(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["Blue.", "Red."]))
    async with env.worker(model):
        handle = await env.start("Go.")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await handle.execute_update("pause")
        model.gate.set()
        await asyncio.gather(*(send_now(handle, "Red, please.", id="1", mode="interrupt") for _ in range(5)))
        await view_when(handle, lambda view: view.doing == "paused")
        asked = len(model.scripted.requests)
        await handle.execute_update("resume")
        await env.result(handle)
        transcript = await env.transcript(handle)
    assert asked <= 1
    assert texts(transcript, "user") == ["Go.", "Red, please."]


async def test_a_task_that_is_cancelled_while_an_answer_is_checked_makes_no_call(env: TaskEnvironment) -> None:
    paying, checker = Payments(), GatedChecker()
    async with checked_worker(env, checker, ScriptedModel([PAY]), paying.tool):
        handle = await env.start("Go.", env.agent(paying.tool))
        await pending_requests(handle)
        answering = asyncio.create_task(answer_now(handle, "input_1", "approve", arguments={"cents": 50}))
        await checker.until_checking(1)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as raised:
            await env.result(handle)
        checker.gate.set()
        (outcome,) = await asyncio.wait_for(asyncio.gather(answering, return_exceptions=True), TIMEOUT_S)
        assert isinstance(outcome, WorkflowUpdateFailedError | RPCError)
        assert await pending_requests(handle, 0) == ()
    assert isinstance(raised.value.cause, CancelledError)
    assert paying.made == []


async def test_of_two_answers_that_are_checked_at_once_one_counts(env: TaskEnvironment) -> None:
    paying, checker = Payments(), GatedChecker()
    rules = (PolicyRule.model_validate({"tool": "pay", "if": {"cents": {"lte": 100}}, "then": "allow"}),)
    async with checked_worker(env, checker, ScriptedModel([PAY, "Paid."]), paying.tool):
        handle = await env.start("Go.", env.agent(paying.tool, policy=rules))
        await pending_requests(handle)
        answering = asyncio.gather(
            *(answer_now(handle, "input_1", "approve", arguments={"cents": cents}) for cents in (50, 60)),
            return_exceptions=True,
        )
        await checker.until_checking(2)
        late = await refusal_of(handle, "answer_input", {"input_request_id": "input_1", "decision": "answer"})
        checker.gate.set()
        kinds = Counter(map(kind_of, await answering))
        await env.result(handle)
    assert late[0] == "AnswerMismatch"
    assert kinds == {"AnswerVerdict": 1, "AlreadyAnswered": 1}
    assert paying.made in ([50], [60])


async def test_an_answer_that_comes_while_another_is_checked_counts_and_the_checked_one_is_refused(
    env: TaskEnvironment,
) -> None:
    paying, checker = Payments(), GatedChecker()
    async with checked_worker(env, checker, ScriptedModel([PAY, "Not paid."]), paying.tool):
        handle = await env.start("Go.", env.agent(paying.tool))
        await pending_requests(handle)
        answering = asyncio.create_task(answer_now(handle, "input_1", "approve", arguments={"cents": 50}))
        await checker.until_checking(1)
        assert (await answer_now(handle, "input_1", "deny")).is_settled
        checker.gate.set()
        with pytest.raises(WorkflowUpdateFailedError) as raised:
            await answering
        assert (await env.result(handle)).output == "Not paid."
    assert kind_of(raised.value) == "AlreadyAnswered"
    assert paying.made == []


async def test_of_new_limits_and_an_answer_about_them_at_once_the_higher_one_holds(env: TaskEnvironment) -> None:
    working, paying = GatedTool(), Payments()
    work = tool(name="work", effect="pure")(working.__call__)
    limits = {"max_steps": 1, "on_exhausted": "ask"}
    agent = env.agent(paying.tool, work, policy=(PolicyRule(tool="*", then="allow"),), limits=limits)
    async with env.worker(ScriptedModel.by_step([PAY, WORK, "Done."]), paying.tool, work):
        for _ in range(TIMES):
            working.gate.clear()
            handle = await env.start("Go.", agent)
            await pending_requests(handle)
            outcomes = await asyncio.gather(
                answer_now(handle, "input_1", "raise", limits={"max_steps": 8}),
                handle.execute_update("raise_limits", {"max_steps": 9}, result_type=LimitsVerdict),
                handle.execute_update("raise_limits", {"max_steps": 7}, result_type=LimitsVerdict),
                return_exceptions=True,
            )
            answered, raised, raised_less = map(kind_of, outcomes)
            await view_when(handle, lambda view: view.steps == 2)
            assert (await refusal_of(handle, "raise_limits", {"max_steps": 8}))[0] == "SteeringInvalid"
            working.gate.set()
            assert (await env.result(handle)).output == "Done."
            assert answered in ("AnswerVerdict", "AlreadyAnswered", "AnswerMismatch")
            assert (raised, raised_less) in (("LimitsVerdict", "SteeringInvalid"), ("LimitsVerdict", "LimitsVerdict"))


async def test_a_task_that_ends_while_it_asks_for_more_time_is_listed_as_ended(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["Done."]))
    async with env.worker(model):
        handle = await env.start("Go.", env.agent(limits={"deadline": 0.5, "on_exhausted": "ask"}))
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await pending_requests(handle)
        model.gate.set()
        assert (await env.result(handle)).output == "Done."
        description = await handle.describe()
    attributes = description.typed_search_attributes
    assert (attributes.get(STATUS), attributes.get(INPUT)) == ("completed", None)
    assert not await description.memo_value(MEMO_INPUT_REQUESTS, None)


async def test_of_several_requests_one_is_escalated_and_the_others_stay(env: TaskEnvironment) -> None:
    terms: dict[str, Any] = {"tool": "pay", "then": "ask", "approvers": ["ada"]}
    escalation = {"expires": 0.5, "on_expiry": "escalate", "escalate_to": ["board"]}
    rules = ({**terms, **escalation, "if": {"cents": {"lte": 1}}}, terms)
    calls = [ToolCall(id=f"c{cents}", name="pay", arguments={"cents": cents}) for cents in (1, 2)]
    calls.append(ToolCall(id="q", name="ask_person", arguments={"question": "Which?"}))
    paying = Payments()
    async with env.worker(ScriptedModel([calls, "Done."]), paying.tool, ASK):
        policy = tuple(map(PolicyRule.model_validate, rules))
        handle = await env.start("Go.", env.agent(paying.tool, ASK, policy=policy))
        before = await pending_requests(handle, 3)
        async with asyncio.timeout(TIMEOUT_S):
            while (requests := await pending_requests(handle, 3))[0].approvers != ("board",):
                pass
        terms_listed = (await handle.describe()).typed_search_attributes.get(INPUT)
        approve: dict[str, JsonValue] = {"input_request_id": "input_1", "decision": "approve", "answered_by": "ada"}
        assert (await refusal_of(handle, "answer_input", approve))[0] == "AnswerNotAllowed"
        await answer_now(handle, "input_3", "answer", answer="This one.")
        await answer_now(handle, "input_2", "approve", answered_by="ada")
        await answer_now(handle, "input_1", "approve", answered_by="eve", groups=["board"])
        assert (await env.result(handle)).output == "Done."
    assert terms_listed == ["kind:approval", "kind:question", "approver:ada", "approver:board"]
    assert list(requests[1:]) == list(before[1:])
    assert sorted(paying.made) == [1, 2]
