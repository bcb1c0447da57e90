"""What MCP servers ask during calls: people's input, a model's message; resumed after any time, in any process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from agentkit.errors import RequestStateLost, ToolInterrupted, ToolUnavailable
from agentkit.input_requests import InputRequest
from agentkit.interfaces import (
    ClientInput,
    ClientInputRequest,
    InputRequired,
    ModelRequest,
    ToolContext,
    ToolOutput,
    ToolValue,
)
from agentkit.mcp_settings import McpServerSettings
from agentkit.messages import ToolCall
from agentkit.policy_rules import Effect
from agentkit.specs import AgentSpec, McpSelection, PolicyRule
from agentkit.testing import (
    ScriptedMcpServer,
    ScriptedMcpServers,
    ScriptedMcpTool,
    ScriptedModel,
    ScriptedResponse,
)
from tests.unit.api.events.golden import events_of
from tests.workflows.answering import answer, pending_requests
from workflows.agent_task import AgentTask

if TYPE_CHECKING:
    from tests.workflows.conftest import Handle, TaskEnvironment

BOOK = ToolCall(id="c1", name="travel__book", arguments={"to": "Oslo"})
FORM: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"seat": {"type": "string"}},
    "required": ["seat"],
}
ASKED = ClientInputRequest(
    key="seat", method="elicitation/create", params={"message": "Which seat?", "requestedSchema": FORM}
)
SAMPLING = ClientInputRequest(
    key="text",
    method="sampling/createMessage",
    params={"messages": [{"role": "user", "content": {"type": "text", "text": "A rhyme?"}}], "maxTokens": 50},
)


def required(*requests: ClientInputRequest, state: str = "state-1") -> ToolOutput:
    return ToolOutput(
        value="It asks for input.", input_required=InputRequired(requests=requests or (ASKED,), state=state)
    )


class Bookings:
    """A server's tool that requires input, unless it is resumed with some."""

    def __init__(self, *outcomes: ToolValue | Exception) -> None:
        self.contexts: list[ToolContext] = []
        self._outcomes = list(outcomes)

    def book(self, _: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        self.contexts.append(context)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def servers(self, effect: Effect = "irreversible", sampling: str = "deny") -> ScriptedMcpServers:
        settings = McpServerSettings.model_validate({"command": "x", "opspawn": {"sampling": sampling}})
        tool = ScriptedMcpTool(self.book, effect=effect)
        return ScriptedMcpServers({"travel": ScriptedMcpServer({"book": tool}, settings=settings)})


def traveller(env: TaskEnvironment) -> AgentSpec:
    return env.agent(mcp=McpSelection(tools=("travel/*",)), policy=(PolicyRule(tool="*", then="allow"),))


def model() -> ScriptedModel:
    return ScriptedModel.by_step([BOOK, "Done."])


async def pending_with_id(handle: Handle, request_id: str) -> InputRequest:
    """Wait until the request is the only one that is pending."""
    async with asyncio.timeout(20):
        while True:
            (request,) = await pending_requests(handle)
            if request.id == request_id:
                return request


async def pending_of_kind(handle: Handle, kind: str) -> InputRequest:
    """Wait until a request of this kind is the only one that is pending."""
    async with asyncio.timeout(20):
        while True:
            (request,) = await pending_requests(handle)
            if request.kind == kind:
                return request


async def ledger(handle: Handle) -> list[tuple[str, str]]:
    return [(entry.call_id, entry.state) for entry in (await handle.query(AgentTask.tool_calls)).tool_calls]


async def result_text(env: TaskEnvironment, handle: Handle) -> str:
    (result,) = await env.tool_results(handle)
    assert (result.call_id, result.name) == ("c1", "travel__book")
    return result.content


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


# Older protocols: the call waits for the input.


async def test_a_running_call_gets_a_persons_input(env: TaskEnvironment) -> None:
    async def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        given = await context.signals.ask(ASKED)
        return f"{given.result}"

    servers = ScriptedMcpServers({"travel": ScriptedMcpServer({"book": ScriptedMcpTool(book)})})
    async with env.worker(model(), mcp=servers):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        await answer(handle, request, "answer", answer={"seat": "4A"})
        await env.result(handle)

        assert await result_text(env, handle) == "{'action': 'accept', 'content': {'seat': '4A'}}"
        assert await ledger(handle) == [("c1", "done")]


async def test_a_later_attempt_that_asks_the_same_is_answered_from_the_record(env: TaskEnvironment) -> None:
    texts: list[str] = []

    async def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        given = await context.signals.ask(ASKED)
        texts.append(str(given.result))
        if context.attempt == 1:
            raise ToolUnavailable("The connection was lost.")
        return "Booked."

    servers = ScriptedMcpServers({"travel": ScriptedMcpServer({"book": ScriptedMcpTool(book, effect="idempotent")})})
    async with env.worker(model(), mcp=servers):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        await answer(handle, request, "answer", answer={"seat": "4A"})
        await env.result(handle)

        assert await result_text(env, handle) == "Booked."
    assert texts == ["{'action': 'accept', 'content': {'seat': '4A'}}"] * 2


async def test_the_question_of_a_call_that_has_ended_is_withdrawn(env: TaskEnvironment) -> None:
    async def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        asking = asyncio.ensure_future(context.signals.ask(ASKED))
        await asyncio.wait({asking}, timeout=1)
        asking.cancel()
        raise ToolInterrupted("The connection was lost.")

    servers = ScriptedMcpServers({"travel": ScriptedMcpServer({"book": ScriptedMcpTool(book)})})
    async with env.worker(model(), mcp=servers):
        handle = await env.start("Book.", traveller(env))
        await answer(handle, await pending_of_kind(handle, "unknown_outcome"), "give_up")
        await env.result(handle)
        assert await ledger(handle) == [("c1", "unknown")]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="nothing"),
        pytest.param({"call_id": "c1"}, id="no request"),
        pytest.param({"call_id": "other", "request": {"key": "1", "method": "roots/list"}}, id="another call"),
        pytest.param({"call_id": "c1", "request": {"key": "1", "method": "tools/call"}}, id="another method"),
    ],
)
async def test_a_signal_that_is_no_request_changes_nothing(env: TaskEnvironment, data: JsonValue) -> None:
    bookings = Bookings(required(), "Booked.")
    async with env.worker(model(), mcp=bookings.servers()):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        await handle.signal("ask_client", data)
        assert [each.id for each in await pending_requests(handle)] == [request.id]
        await answer(handle, request, "answer", answer={"seat": "4A"})
        assert (await env.result(handle)).output == "Done."


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


async def test_a_server_that_asks_a_thousand_times_gets_a_hundred_answers(env: TaskEnvironment) -> None:
    inputs: list[ClientInput] = []

    async def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        wrong_form = ASKED.params | {"requestedSchema": "none"}
        requests = [ASKED.model_copy(update={"key": str(number)}) for number in range(1_000)]
        requests[1:] = [request.model_copy(update={"params": wrong_form}) for request in requests[1:]]
        inputs.extend(await asyncio.gather(*map(context.signals.ask, requests)))
        return "Booked."

    servers = ScriptedMcpServers({"travel": ScriptedMcpServer({"book": ScriptedMcpTool(book)})})
    async with env.worker(model(), mcp=servers):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        await answer(handle, request, "answer", answer={"seat": "4A"})
        assert (await env.result(handle)).output == "Done."
        assert len(await env.history(handle)) < 100
    assert inputs[0].result == {"action": "accept", "content": {"seat": "4A"}}
    assert {each.error for each in inputs[1:100]} == {'The form must be a JSON Schema of "type": "object".'}
    assert {each.error for each in inputs[100:]} == {"The server asked more than 100 times in one call."}


async def test_signals_beyond_the_bound_of_a_call_open_no_requests(env: TaskEnvironment) -> None:
    asked = asyncio.Event()
    ending = asyncio.Event()

    async def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        asked.set()
        await ending.wait()
        return "Booked."

    servers = ScriptedMcpServers({"travel": ScriptedMcpServer({"book": ScriptedMcpTool(book)})})
    async with env.worker(model(), mcp=servers):
        handle = await env.start("Book.", traveller(env))
        async with asyncio.timeout(20):
            await asked.wait()
        requests = [{**ASKED.model_dump(mode="json"), "key": str(number)} for number in range(110)]
        for request in requests:
            await handle.signal("ask_client", {"call_id": "c1", "request": request})
        key = {"call_id": "c1", "key": "105"}
        found = await handle.query("client_input", key, result_type=ClientInput)
        assert found.error == "The server asked more than 100 times in one call."
        assert len((await handle.query(AgentTask.input_requests)).input_requests) == 100
        ending.set()
        assert (await env.result(handle)).output == "Done."


async def verdict(handle: Handle, request: InputRequest) -> str | None:
    """Answer the request; return ``accepted``, or the type of the refusal."""
    given = {"input_request_id": request.id, "decision": "answer", "answer": {"seat": "4A"}}
    try:
        await handle.execute_update("answer_input", given)
    except WorkflowUpdateFailedError as refused:
        return refused.cause.type if isinstance(refused.cause, ApplicationError) else str(refused.cause)
    return "accepted"


@pytest.mark.parametrize("number", range(3))
async def test_an_answer_at_the_moment_of_a_cut_off_is_accepted_or_refused_and_nothing_else(
    env: TaskEnvironment, number: int
) -> None:
    cut_off = asyncio.Event()

    async def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        asking = asyncio.ensure_future(context.signals.ask(ASKED))
        await cut_off.wait()
        asking.cancel()
        raise ToolInterrupted("The connection was lost.")

    servers = ScriptedMcpServers({"travel": ScriptedMcpServer({"book": ScriptedMcpTool(book)})})
    async with env.worker(model(), mcp=servers):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
        cut_off.set()
        assert await verdict(handle, request) in ("accepted", "AlreadyAnswered")
        await answer(handle, await pending_of_kind(handle, "unknown_outcome"), "give_up")
        assert (await env.result(handle)).output == "Done."
        assert await ledger(handle) == [("c1", "unknown")]


@pytest.mark.parametrize(
    ("effect", "state"), [("idempotent", "done"), ("irreversible", "unknown")], ids=["repeated", "unknown"]
)
async def test_a_call_that_waits_for_a_person_loses_its_worker(
    env: TaskEnvironment, effect: Effect, state: str
) -> None:
    given: list[ClientInput] = []
    attempts = 0

    async def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        nonlocal attempts
        attempts += 1
        given.append(await context.signals.ask(ASKED))
        return "Booked."

    servers = ScriptedMcpServers({"travel": ScriptedMcpServer({"book": ScriptedMcpTool(book, effect=effect)})})
    async with env.worker(model(), mcp=servers):
        handle = await env.start("Book.", traveller(env))
        (request,) = await pending_requests(handle)
    async with env.worker(model(), mcp=servers):
        if effect == "idempotent":
            await answer(handle, request, "answer", answer={"seat": "4A"})
        else:
            await answer(handle, await pending_of_kind(handle, "unknown_outcome"), "give_up")
        assert (await env.result(handle)).output == "Done."
        assert await ledger(handle) == [("c1", state)]
    if effect == "idempotent":
        assert (attempts, [each.result for each in given]) == (
            2,
            [{"action": "accept", "content": {"seat": "4A"}}],
        )
    else:
        assert (attempts, given) == (1, [])
