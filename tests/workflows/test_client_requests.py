"""What MCP servers of older protocols ask while a call runs, which waits for the input."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from pydantic import JsonValue
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from agentkit.errors import ToolInterrupted, ToolUnavailable
from agentkit.input_requests import InputRequest
from agentkit.interfaces import (
    ClientInput,
    ToolContext,
    ToolValue,
)
from agentkit.policy_rules import Effect
from agentkit.testing import (
    ScriptedMcpServer,
    ScriptedMcpServers,
    ScriptedMcpTool,
)
from tests.workflows.answering import answer, pending_requests
from tests.workflows.bookings import (
    ASKED,
    Bookings,
    ledger,
    model,
    pending_of_kind,
    required,
    result_text,
    traveller,
)
from workflows.agent_task import AgentTask

if TYPE_CHECKING:
    from tests.workflows.conftest import Handle, TaskEnvironment


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
        for key, error in [("50", "more than 20 things at once"), ("105", "more than 100 times in one call")]:
            found = await handle.query("client_input", {"call_id": "c1", "key": key}, result_type=ClientInput)
            assert error in str(found.error)
        assert len((await handle.query(AgentTask.input_requests)).input_requests) == 20
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
