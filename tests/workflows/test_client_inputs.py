"""What MCP servers require before a call has a result: people's input, a model's message; resumed after any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from agentkit.errors import RequestStateLost, ToolInterrupted
from agentkit.interfaces import (
    ClientInputRequest,
    InputRequired,
    ModelRequest,
    ToolOutput,
)
from agentkit.specs import Limits, PolicyRule
from agentkit.testing import (
    ScriptedModel,
    ScriptedResponse,
)
from tests.unit.api.events.golden import events_of
from tests.workflows.answering import answer, pending_requests
from tests.workflows.bookings import (
    ASKED,
    BOOK,
    FORM,
    SAMPLING,
    Bookings,
    ledger,
    model,
    pending_of_kind,
    pending_with_id,
    required,
    result_text,
    traveller,
)
from workflows.agent_task import AgentTask

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


async def test_a_call_that_requires_input_is_resumed_after_every_worker_was_replaced(env: TaskEnvironment) -> None:
    bookings = Bookings(required(), "Booked seat 4A.")
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
    assert (request.kind, request.tool, request.call_id, request.answer_schema) == (
        "elicitation",
        "travel__book",
        "c1",
        FORM,
    )
    assert request.message == "MCP server travel asks: Which seat?"

    async with env.worker(model(), mcp=bookings.servers()):
        await answer(handle, request, "answer", answer={"seat": "4A"}, answered_by="ada")
        await env.result(handle)

        assert await result_text(env, handle) == "Booked seat 4A."
        assert await ledger(handle) == [("c1", "not_done"), ("c1.2", "done")]
        events = await events_of(await handle.fetch_history(), data_dir=env.settings.data_dir)
    assert [event.type for event in events if event.type.startswith("tool.")] == ["tool.started", "tool.completed"]
    assert [event.data["result"] for event in events if event.type == "tool.completed"] == [
        {
            "type": "tool_result",
            "call_id": "c1",
            "name": "travel__book",
            "content": "Booked seat 4A.",
            "is_error": False,
        }
    ]
    first, second = bookings.contexts
    assert (first.idempotency_key, second.idempotency_key) == (f"{handle.id}/c1", f"{handle.id}/c1.2")
    assert second.mcp is not None
    assert second.mcp.state == "state-1"
    assert second.mcp.inputs == {"seat": {"action": "accept", "content": {"seat": "4A"}}}


async def test_an_answer_that_does_not_fit_the_form_changes_nothing(env: TaskEnvironment) -> None:
    bookings = Bookings(required(), "Booked.")
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(
                "answer_input", {"input_request_id": request.id, "decision": "answer", "answer": {"seat": 4}}
            )
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "AnswerMismatch"

        await answer(handle, request, "decline")
        await env.result(handle)
    second = bookings.contexts[1].mcp
    assert second is not None
    assert second.inputs == {"seat": {"action": "decline"}}


async def test_a_page_is_shown_and_never_opened(env: TaskEnvironment) -> None:
    params: dict[str, JsonValue] = {"mode": "url", "message": "Pay here.", "url": "https://pay.example/1"}
    page = ClientInputRequest(key="pay", method="elicitation/create", params=params)
    bookings = Bookings(required(page), "Paid.")
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        assert request.message == "MCP server travel asks you to open a page: Pay here."
        assert (request.url, request.answer_schema) == ("https://pay.example/1", None)
        await answer(handle, request, "answer")
        await env.result(handle)
    resumed = bookings.contexts[1].mcp
    assert resumed is not None
    assert resumed.inputs == {"pay": {"action": "accept"}}


async def test_several_requests_of_one_round_are_open_at_once(env: TaskEnvironment) -> None:
    meal = ASKED.model_copy(update={"key": "meal"})
    bookings = Bookings(required(ASKED, meal), required(state="state-2"), "Booked.")
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        for request in await pending_requests(handle, 2):
            await answer(handle, request, "answer", answer={"seat": request.id})
        await answer(handle, await pending_with_id(handle, "input_3"), "answer", answer={"seat": "x"})
        await env.result(handle)
        assert await ledger(handle) == [("c1", "not_done"), ("c1.2", "not_done"), ("c1.3", "done")]
    last = bookings.contexts[2].mcp
    assert last is not None
    assert (last.state, set(last.inputs or {})) == ("state-2", {"seat"})


async def test_a_call_whose_state_is_lost_is_made_from_the_start_and_asks_again(env: TaskEnvironment) -> None:
    bookings = Bookings(required(), RequestStateLost("The server lost it."), required(state="new"), "Booked.")
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        for request_id in ("input_1", "input_2"):
            await answer(handle, await pending_with_id(handle, request_id), "answer", answer={"seat": "4A"})
        await env.result(handle)

        assert await result_text(env, handle) == "Booked."
        states = [(each, "not_done") for each in ("c1", "c1.2", "c1.3")]
        assert await ledger(handle) == [*states, ("c1.4", "done")]
    assert [context.mcp and context.mcp.state for context in bookings.contexts] == [None, "state-1", None, "new"]


async def test_a_resumed_irreversible_call_that_is_cut_off_is_not_made_again_unasked(env: TaskEnvironment) -> None:
    bookings = Bookings(required(), ToolInterrupted("The connection was lost."))
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        await answer(handle, request, "answer", answer={"seat": "4A"})
        unknown = await pending_of_kind(handle, "unknown_outcome")
        assert unknown.call_id == "c1"
        await answer(handle, unknown, "happened", result="Seat 4A, as the airline says.")
        await env.result(handle)

        assert await result_text(env, handle) == "Seat 4A, as the airline says."
        assert await ledger(handle) == [("c1", "not_done"), ("c1.2", "done")]


async def test_a_server_that_never_stops_asking_ends_in_an_error(env: TaskEnvironment) -> None:
    empty = ToolOutput(value="Later.", input_required=InputRequired(state="s"))
    bookings = Bookings(*[empty] * 30)
    async with env.worker(model(), mcp=bookings.servers("pure")):
        handle = await env.start("Book.", traveller(env))
        await env.result(handle)
        assert "It asked 20 times" in await result_text(env, handle)
    assert len(bookings.contexts) == 21


@pytest.mark.parametrize("sampling", ["allow", "ask", "deny"])
async def test_a_server_asks_the_model_as_its_settings_say(env: TaskEnvironment, sampling: str) -> None:
    asked: list[ModelRequest] = []

    async def script(request: ModelRequest) -> ScriptedResponse:
        asked.append(request)
        if "A rhyme?" in request.messages[0].text:
            return "Time, lime."
        return "Done." if request.messages[-1].role == "tool" else BOOK

    bookings = Bookings(required(SAMPLING), "Booked.")
    async with env.worker(ScriptedModel(script), mcp=bookings.servers(sampling=sampling)):
        handle = await env.start("Book.", traveller(env))
        if sampling == "ask":
            (request,) = await pending_requests(handle)
            assert request.message == (
                "MCP server travel wants to ask the model scripted:m this, during a call of travel__book. Allow it?"
            )
            shown: JsonValue = {"messages": [{"role": "user", "text": "A rhyme?"}], "max_tokens": 50}
            assert (request.kind, request.tool, request.arguments) == ("approval", "sampling/createMessage", shown)
            await answer(handle, request, "approve")
        result = await env.result(handle)
        text = await result_text(env, handle)
        events = await events_of(await handle.fetch_history(), data_dir=env.settings.data_dir)
        assert [event.type for event in events].count("model.started") == 2, "the server's requests are no steps"
        usage = events[-1].data["usage"]
        assert isinstance(usage, dict)
        assert usage["model_calls"] == result.usage.model_calls
    if sampling == "deny":
        assert 'its "sampling" is "deny"' in text
        assert (result.usage.model_calls, len(bookings.contexts)) == (2, 1)
        return
    assert text == "Booked."
    assert result.usage.model_calls == 3
    assert asked[1].settings.max_output_tokens == 50
    resumed = bookings.contexts[1].mcp
    assert resumed is not None
    content: JsonValue = {"type": "text", "text": "Time, lime."}
    expected: JsonValue = {
        "text": {"role": "assistant", "content": content, "model": "scripted:m", "stopReason": "endTurn"}
    }
    assert resumed.inputs == expected


async def test_a_message_that_interrupts_declines_the_question_and_no_further_call_is_made(
    env: TaskEnvironment,
) -> None:
    bookings = Bookings(required())
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        await pending_requests(handle)
        await handle.signal("send_message", {"text": "Stop.", "mode": "interrupt"})
        await env.result(handle)
        assert "a person interrupted" in await result_text(env, handle)
    assert len(bookings.contexts) == 1


async def test_a_large_state_of_a_server_is_kept_in_payload_storage(env: TaskEnvironment) -> None:
    state = "0123456789" * 60_000
    bookings = Bookings(required(state=state), "Booked.")
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        await answer(handle, request, "answer", answer={"seat": "4A"})
        await env.result(handle)
        history = b"".join(event.SerializeToString() for event in await env.history(handle))
    resumed = bookings.contexts[1].mcp
    assert resumed is not None
    assert resumed.state == state
    assert len(history) < 100_000


async def test_a_paused_task_resumes_the_call_when_it_goes_on(env: TaskEnvironment) -> None:
    bookings = Bookings(required(), "Booked.")
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        await handle.execute_update("pause")
        await answer(handle, request, "answer", answer={"seat": "4A"})
        await pending_requests(handle, 0)
        assert (await handle.query(AgentTask.status)).status == "paused"
        assert len(bookings.contexts) == 1
        await handle.execute_update("resume")
        await env.result(handle)
        assert await result_text(env, handle) == "Booked."


async def test_a_task_that_is_cancelled_asks_nothing_any_more(env: TaskEnvironment) -> None:
    bookings = Bookings(required())
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        await pending_requests(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await env.result(handle)
        assert (await handle.query(AgentTask.input_requests)).input_requests == ()
    assert len(bookings.contexts) == 1


async def test_the_deadline_of_a_task_ends_the_questions_of_its_servers(env: TaskEnvironment) -> None:
    bookings = Bookings(required())
    agent = traveller(env).model_copy(update={"limits": Limits(deadline=3)})
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", agent)
        await pending_requests(handle)
        with pytest.raises(WorkflowFailureError) as failed:
            await env.result(handle)
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "DeadlineExceeded"


async def test_an_approval_holds_for_the_calls_that_resume_the_approved_one(env: TaskEnvironment) -> None:
    bookings = Bookings(required(), "Booked.")
    agent = traveller(env).model_copy(update={"policy": (PolicyRule(tool="mcp:travel/book", then="ask"),)})
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", agent)
        await answer(handle, await pending_with_id(handle, "input_1"), "approve", arguments={"to": "Rome"})
        await answer(handle, await pending_with_id(handle, "input_2"), "approve")
        await answer(handle, await pending_with_id(handle, "input_3"), "answer", answer={"seat": "4A"})
        await env.result(handle)
        text = await result_text(env, handle)
    assert text == '[person changed the arguments, so it was called with {"to": "Rome"}]\nBooked.'
    assert bookings.arguments == [{"to": "Rome"}, {"to": "Rome"}]
