"""Tasks that ask people: approvals and unknown outcomes, answered by signal; and the ledger of what became of calls."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from agentkit.input_requests import InputRequest
from agentkit.messages import ToolCall
from agentkit.runtime.calls.effect_ledger import LedgerEntry
from agentkit.specs import PolicyRule
from agentkit.testing import ScriptedModel
from agentkit.tools import Done, NotDone, ToolContext, Unknown, tool
from tests.workflows.answering import answer, pending_requests
from tests.workflows.conftest import Handle, TaskEnvironment
from tests.workflows.steering_calls import answer_now
from workflows.listing.journal import AnswerRefusedEntry, read_journal
from workflows.search_attributes import ANY_APPROVER, INPUT, INPUT_SINCE, MEMO_INPUT_REQUESTS, STATUS
from workflows.task_types import TaskView, ToolCallLedger

ALLOW = (PolicyRule(tool="*", then="allow"),)
PAY = ToolCall(id="c", name="pay", arguments={"cents": 700})


async def ledger(handle: Handle) -> list[LedgerEntry]:
    return list((await handle.query("tool_calls", result_type=ToolCallLedger)).tool_calls)


@tool(effect="irreversible")
def pay(cents: int) -> str:
    return f"paid {cents}"


@tool(effect="pure")
def look(number: int) -> str:
    return f"seen {number}"


async def test_a_call_waits_for_approval_while_its_siblings_go_on_and_is_made_once_approved(
    env: TaskEnvironment,
) -> None:
    looked = asyncio.Event()

    @tool(effect="pure")
    async def look() -> str:
        looked.set()
        return "seen"

    model = ScriptedModel([[PAY, ToolCall(id="l", name="look")], "Paid."])
    async with env.worker(model, pay, look):
        handle = await env.start("Go.", env.agent(pay, look))
        (request,) = await pending_requests(handle)
        await asyncio.wait_for(looked.wait(), 10)
        assert (request.id, request.kind, request.tool, request.arguments) == (
            "input_1",
            "approval",
            "pay",
            {"cents": 700},
        )
        assert (await ledger(handle))[0].state == "awaiting_approval"
        assert (await handle.query("status", result_type=TaskView)).status == "waiting"
        description = await handle.describe()
        assert description.typed_search_attributes.get(STATUS) == "waiting"
        assert await description.memo_value(MEMO_INPUT_REQUESTS, None, type_hint=list[InputRequest]) == [request]
        await answer(handle, request, "approve", answered_by="ada")
        result = await env.result(handle)
        (entry, other) = await ledger(handle)
        description = await handle.describe()
    assert result.output == "Paid."
    assert (entry.state, entry.decided_by, entry.attempts) == ("done", "person: ada", 1)
    assert (other.tool, other.state) == ("look", "done")
    assert await description.memo_value(MEMO_INPUT_REQUESTS, None) is None


async def test_an_answer_that_is_not_accepted_is_in_the_journal_and_changes_nothing(env: TaskEnvironment) -> None:
    wrong: list[JsonValue] = [
        {"input_request_id": "input_7", "decision": "approve"},
        {"input_request_id": "input_1", "decision": "happened"},
        {"input_request_id": "input_1", "decision": "approve", "sha256": "0" * 64},
        {"input_request_id": "input_1", "decision": "perhaps"},
        {"input_request_id": "input_1", "decision": "approve", "colour": "red"},
        {"decision": "approve"},
        "approve",
        None,
    ]
    async with env.worker(ScriptedModel([PAY, "I could not."]), pay):
        handle = await env.start("Go.", env.agent(pay))
        (request,) = await pending_requests(handle)
        for each in wrong:
            await handle.signal("answer_input", each)
        assert await pending_requests(handle) == (request,)
        await answer(handle, request, "deny")
        await answer(handle, request, "approve")
        await env.result(handle)
        events = await env.history(handle)
        (entry,) = await ledger(handle)
    assert entry.state == "refused"
    converter = env.client.data_converter.payload_converter
    refusals: list[AnswerRefusedEntry] = []
    for event in events:
        fields = event.workflow_properties_modified_event_attributes.upserted_memo.fields
        if "journal" in fields:
            entries = read_journal(converter.from_payloads([fields["journal"]])[0])
            refusals += [each for each in entries if isinstance(each, AnswerRefusedEntry)]
    assert len(refusals) >= len(wrong)
    assert "The task has no input request 'input_7'. Pending: input_1." in refusals[0].message
    assert "takes approve, deny" in refusals[1].message
    assert "other arguments: its sha256 is" in refusals[2].message


async def test_of_many_answers_that_are_not_accepted_the_first_hundred_are_recorded(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([PAY, "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay))
        (request,) = await pending_requests(handle)
        wrong = {"input_request_id": "input_7", "decision": "approve"}
        await asyncio.gather(*(handle.signal("answer_input", wrong) for _ in range(130)))
        await answer(handle, request, "approve")
        result = await env.result(handle)
        events = await env.history(handle)
    assert result.output == "Paid."
    upserts = [event for event in events if event.HasField("workflow_properties_modified_event_attributes")]
    assert 100 <= len(upserts) < 115


async def test_an_approval_that_needs_two_people_takes_two_different_ones(env: TaskEnvironment) -> None:
    rules = (PolicyRule(tool="pay", then="ask", count=2, approvers=("finance",)),)
    async with env.worker(ScriptedModel([PAY, "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay, policy=rules))
        (request,) = await pending_requests(handle)
        for person in ("ada", "ada"):
            await answer(handle, request, "approve", answered_by=person, groups=["finance"])
        (half_approved,) = await pending_requests(handle)
        assert [given.answered_by for given in half_approved.answers] == ["ada"]
        await answer(handle, request, "approve", answered_by="eve")
        await answer(handle, request, "approve", answered_by="grace", groups=["finance"])
        await env.result(handle)
        (entry,) = await ledger(handle)
    assert (entry.state, entry.decided_by) == ("done", "person: grace")


@pytest.mark.parametrize(("on_expiry", "state"), [("approve", "done"), ("deny", "refused"), ("escalate", "refused")])
async def test_a_request_that_nobody_answers_expires(
    time_skipping_env: TaskEnvironment, on_expiry: Any, state: str
) -> None:
    env = time_skipping_env
    to = {"escalate_to": ("the board",)} if on_expiry == "escalate" else {}
    rules = (PolicyRule.model_validate({"tool": "pay", "then": "ask", "expires": "1d", "on_expiry": on_expiry, **to}),)
    async with env.worker(ScriptedModel([PAY, "Done."]), pay):
        _, handle = await env.run("Go.", env.agent(pay, policy=rules))
        (entry,) = await ledger(handle)
    assert (entry.state, entry.decided_by) == (state, "person: expiry")
    assert entry.ended_at is not None
    days = 2 if on_expiry == "escalate" else 1
    assert timedelta(days=days) <= entry.ended_at - entry.proposed_at < timedelta(days=days, minutes=5)


async def test_a_request_may_end_its_task_at_its_expiry(time_skipping_env: TaskEnvironment) -> None:
    env = time_skipping_env
    rules = (PolicyRule(tool="pay", then="ask", expires=3600, on_expiry="fail"),)
    async with env.worker(ScriptedModel([PAY]), pay):
        error, _ = await env.failure(await env.start("Go.", env.agent(pay, policy=rules)))
    assert error.type == "InputRequestExpired"
    assert "Nobody answered input_1 in time: Approve this call of pay?" in error.message


async def test_a_task_that_ends_at_an_expiry_withdraws_its_other_requests_and_its_running_calls(
    env: TaskEnvironment,
) -> None:
    @tool(effect="irreversible")
    def send() -> str:
        raise AssertionError

    @tool(effect="irreversible", approval="never")
    async def wait() -> str:
        await asyncio.Event().wait()
        return "never"

    rule = PolicyRule.model_validate({"tool": "pay", "then": "ask", "expires": "1s", "on_expiry": "fail"})
    calls = [PAY, ToolCall(id="s", name="send"), ToolCall(id="w", name="wait")]
    async with env.worker(ScriptedModel([calls]), pay, send, wait):
        handle = await env.start("Go.", env.agent(pay, send, wait, policy=(rule,)))
        await pending_requests(handle, 2)
        error, _ = await env.failure(handle)
        assert error.type == "InputRequestExpired"
        assert await pending_requests(handle, 0) == ()
        description = await handle.describe()
        states = [entry.state for entry in await ledger(handle)]
    assert await description.memo_value(MEMO_INPUT_REQUESTS, None) is None
    assert description.typed_search_attributes.get(INPUT) is None
    assert states == ["awaiting_approval", "awaiting_approval", "unknown"]


async def test_the_web_ui_shows_who_is_asked_after_an_escalation(
    time_skipping_env: TaskEnvironment, time_skipping_server: WorkflowEnvironment
) -> None:
    env = time_skipping_env
    terms = {"expires": "1h", "on_expiry": "escalate", "approvers": ["finance"], "escalate_to": ["board"]}
    rule = PolicyRule.model_validate({"tool": "pay", "then": "ask", **terms})
    async with env.worker(ScriptedModel([PAY, "Done."]), pay):
        handle = await env.start("Go.", env.agent(pay, policy=(rule,)))
        await pending_requests(handle)
        await time_skipping_server.sleep(timedelta(minutes=70))
        (request,) = await pending_requests(handle)
        shown = str(await handle.query("__temporal_workflow_metadata"))
        await answer(handle, request, "approve", answered_by="ada", groups=["board"])
        await env.result(handle)
    assert request.approvers == ("board",)
    assert "Who should answer: board" in shown
    assert "finance" not in shown


async def test_lists_have_the_time_of_the_oldest_request_that_is_still_pending(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([[PAY, PAY.model_copy(update={"id": "d"})], "Done."]), pay):
        handle = await env.start("Go.", env.agent(pay))
        first, second = await pending_requests(handle, 2)
        await answer_now(handle, first.id, "approve", arguments={"cents": 5})
        await answer(handle, second, "approve")
        (third,) = await pending_requests(handle)
        since = (await handle.describe()).typed_search_attributes.get(INPUT_SINCE)
        await answer(handle, third, "approve")
        await env.result(handle)
    assert (third.id, since) == ("input_3", third.opened_at)
    assert third.opened_at > first.opened_at


async def test_a_request_may_have_more_approvers_than_a_search_attribute_takes(env: TaskEnvironment) -> None:
    approvers = tuple(f"{number:030d}" for number in range(100))
    async with env.worker(ScriptedModel([PAY, "Paid."]), pay):
        handle = await env.start(
            "Go.", env.agent(pay, policy=(PolicyRule(tool="pay", then="ask", approvers=approvers),))
        )
        (request,) = await pending_requests(handle)
        await answer(handle, request, "approve")  # it isn't accepted, but takes the workflow another task
        await pending_requests(handle)
        assert (await handle.describe()).typed_search_attributes.get(INPUT) == ["kind:approval", ANY_APPROVER]
        await answer(handle, request, "approve", answered_by=approvers[7])
        assert (await env.result(handle)).output == "Paid."


async def test_a_cancelled_task_asks_nobody_any_more(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([PAY]), pay):
        handle = await env.start("Go.", env.agent(pay))
        await pending_requests(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await env.result(handle)
        assert await pending_requests(handle, 0) == ()
        description = await handle.describe()
    assert await description.memo_value(MEMO_INPUT_REQUESTS, None) is None


def cut_off_tool(*outcomes: Done | NotDone | Unknown | Exception) -> tuple[Any, list[str]]:
    """Return a tool that loses its connection in its first call, with a probe; and what was called, in order."""
    log: list[str] = []
    remaining = list(outcomes)

    def find(key: str, arguments: dict[str, JsonValue]) -> Done | NotDone | Unknown:
        log.append(f"probe {key.rpartition('/')[2]} {arguments}")
        outcome = remaining.pop(0)
        if isinstance(outcome, Exception) and not isinstance(outcome, NotDone):
            raise outcome
        return outcome

    @tool(effect="irreversible", probe=find if outcomes else None)
    def pay(cents: int, context: ToolContext) -> str:
        log.append("pay")
        if log.count("pay") == 1:
            raise ConnectionResetError("reset by peer")
        return f"paid {cents}"

    return pay, log


@pytest.mark.parametrize(
    ("outcomes", "state", "content"),
    [
        pytest.param([Done("paid, receipt 9")], "done", "paid, receipt 9", id="done"),
        pytest.param([NotDone("none")] * 2, "not_done", "did not take effect: that was checked.", id="not done"),
        pytest.param([NotDone("none"), Done("paid")], "done", "paid", id="done a moment later"),
        pytest.param([ConnectionRefusedError("down"), Done("paid")], "done", "paid", id="the probe is retried"),
    ],
)
async def test_the_probe_of_a_call_that_was_cut_off_settles_it(
    env: TaskEnvironment, outcomes: list[Any], state: str, content: str
) -> None:
    pay, log = cut_off_tool(*outcomes)
    async with env.worker(ScriptedModel([PAY, "Done."]), pay):
        _, handle = await env.run("Go.", env.agent(pay, policy=ALLOW))
        (entry,) = await ledger(handle)
        (result,) = await env.tool_results(handle)
    assert log == ["pay", *["probe c {'cents': 700}"] * len(outcomes)]
    assert (entry.state, entry.decided_by, entry.attempts) == (state, "probe", 1)
    assert content in result.content


@pytest.mark.parametrize("outcomes", [[], [Unknown("the bank is closed")]], ids=["no probe", "the probe can't tell"])
async def test_a_person_is_asked_about_a_call_that_was_cut_off_and_it_is_made_again_only_at_their_word(
    env: TaskEnvironment, outcomes: list[Any]
) -> None:
    pay, log = cut_off_tool(*outcomes)
    async with env.worker(ScriptedModel([PAY, "Done."]), pay):
        handle = await env.start("Go.", env.agent(pay, policy=ALLOW))
        (request,) = await pending_requests(handle)
        assert request.kind == "unknown_outcome"
        assert "pay was cut off, and may have taken effect" in request.message
        assert ("the bank is closed" in request.message) is bool(outcomes)
        assert log.count("pay") == 1
        await answer(handle, request, "retry", answered_by="ada")
        await env.result(handle)
        (entry,) = await ledger(handle)
        (result,) = await env.tool_results(handle)
    assert log.count("pay") == 2
    assert (entry.state, entry.attempts, result.content) == ("done", 2, "paid 700")


async def test_ledger_and_numbers_of_requests_survive_continue_as_new(short_history_env: TaskEnvironment) -> None:
    env = short_history_env
    calls: list[Any] = [PAY, *([ToolCall(id=f"l{n}", name="look", arguments={"number": n})] for n in range(12))]
    calls += [PAY.model_copy(update={"id": "d"}), "Done."]
    async with env.worker(ScriptedModel.by_step(calls), pay, look):
        handle = await env.start("Go.", env.agent(pay, look))
        for number in (1, 2):
            (request,) = await pending_requests(handle)
            assert request.id == f"input_{number}"
            await answer(handle, request, "approve", answered_by=f"person {number}")
            await pending_requests(handle, 0) if number == 1 else None
        await env.result(handle)
        newest = env.client.get_workflow_handle(handle.id)
        runs = (await newest.describe()).run_id
        entries = list((await newest.query("tool_calls", result_type=ToolCallLedger)).tool_calls)
    assert runs != handle.first_execution_run_id
    assert [entry.decided_by for entry in entries if entry.tool == "pay"] == ["person: person 1", "person: person 2"]
    assert len(entries) == 14
