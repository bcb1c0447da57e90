"""Calls of tools of MCP servers over stdio: results, failures, progress, cancellation, and input of people."""

from __future__ import annotations

import asyncio
import json
import re
import sys

import pytest

from agentkit.errors import (
    RequestStateLost,
    ResultUnreadable,
    ToolError,
    ToolInterrupted,
    ToolNotStarted,
    ToolUnavailable,
)
from agentkit.interfaces import (
    CallSignals,
    ClientInput,
    ClientInputRequest,
    McpServers,
    ToolContext,
    ToolOutput,
    ToolProgress,
)
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.policy_rules import Effect
from agentkit.telemetry import TraceParent, tracing_as
from tests.integration.mcp.conftest import StartServers
from tests.mcp_stdio_settings import call_context, raw_server, sdk_server
from tests.polling import eventually


def answering(context: ToolContext, *answers: ClientInput) -> tuple[ToolContext, list[ClientInputRequest]]:
    """Return a context with these answers, and the list of what is asked."""
    asked: list[ClientInputRequest] = []
    given = iter(answers)

    async def ask(request: ClientInputRequest) -> ClientInput:
        asked.append(request)
        return next(given)

    return context.with_signals(CallSignals(ask=ask)), asked


async def test_real_servers_can_be_called(start_servers: StartServers) -> None:
    time, git = (
        McpServerSettings(command=sys.executable, args=("-m", f"mcp_server_{name}")) for name in ("time", "git")
    )
    servers = await start_servers(time=time, git=git)
    arguments = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    converted = await servers.tool("time", "convert_time").call(arguments, call_context("pure"))
    assert isinstance(converted, dict)
    assert re.search(r"T21:00:00\+09:00", json.dumps(converted))
    with pytest.raises(ToolError, match="Invalid timezone"):
        await servers.tool("time", "get_current_time").call({"timezone": "Mars"}, call_context("pure"))
    effects = {spec.name: spec.effect for spec in await servers.list_tools("git")}
    assert effects["git__git_status"] == "pure"
    assert effects["git__git_commit"] == "irreversible"


@pytest.mark.parametrize(("effect", "expected"), [("irreversible", ToolInterrupted), ("idempotent", ToolUnavailable)])
async def test_a_server_that_dies_in_a_call_fails_it_at_once_with_the_cause(
    start_servers: StartServers, effect: Effect, expected: type[ToolError]
) -> None:
    servers = await start_servers(raw=raw_server())
    with pytest.raises(expected) as caught:
        async with asyncio.timeout(10):
            await servers.tool("raw", "crash", effect=effect).call({}, call_context())
    assert type(caught.value) is expected
    assert "MCP server raw (request)" in str(caught.value)
    assert "exit code 7" in str(caught.value)
    assert "out of luck" in str(caught.value)


async def test_a_call_is_not_started_without_a_connection(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server("exit_at_start"))
    with pytest.raises(ToolNotStarted, match="no such database"):
        await servers.tool("raw", "echo").call({}, call_context())


@pytest.mark.parametrize(("effect", "expected"), [("irreversible", ToolInterrupted), ("pure", ToolError)])
async def test_a_call_that_hangs_times_out_alone(
    start_servers: StartServers, effect: Effect, expected: type[ToolError]
) -> None:
    servers = await start_servers(raw=raw_server(timeout=2))
    await servers.list_tools("raw")
    other = asyncio.create_task(servers.tool("raw", "change_tools").call({}, call_context()))
    message = r"MCP server raw \(request\): no response to tools/call hang: none within 2 s \(timeout\)"
    with pytest.raises(expected, match=message) as caught:
        await servers.tool("raw", "hang", effect=effect).call({}, call_context())
    assert type(caught.value) is expected
    assert await other == "Changed."
    # It is the same process still.
    assert "raw__new_tool" in {spec.name for spec in await servers.list_tools("raw")}


async def test_a_cancelled_call_leaves_others_alone(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server())
    other = asyncio.create_task(servers.tool("raw", "pause").call({"seconds": 0.3}, call_context()))
    hanging = asyncio.create_task(servers.tool("raw", "hang").call({}, call_context()))
    assert await servers.tool("raw", "echo").call({"text": "a"}, call_context()) == "a"
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert await other == "Done."


async def test_an_error_of_the_tool_is_for_the_model(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server())
    with pytest.raises(ToolError, match=r"^There is no such file\.$") as caught:
        await servers.tool("raw", "fail").call({}, call_context())
    assert type(caught.value) is ToolError


async def test_structured_content_that_breaks_its_schema_is_given_with_a_note(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server())
    result = await servers.tool("raw", "break_schema").call({}, call_context())
    assert isinstance(result, dict)
    assert result["result"] == {"text": "Done.", "structured_content": {"n": "four"}}
    assert "does not fit the tool's own output schema" in str(result["note"])


async def test_a_result_that_is_no_valid_message_fails_the_call_at_once(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server())
    with pytest.raises(ResultUnreadable, match="does not fit the protocol"):
        await servers.tool("raw", "garble").call({}, call_context())


async def test_a_result_of_twenty_megabytes_is_cut_with_a_note(start_servers: StartServers) -> None:
    servers = await start_servers(
        small=raw_server(max_result_bytes=1_000_000), large=raw_server(max_result_bytes=30_000_000)
    )
    cut = await servers.tool("small", "big").call({"bytes": 20_000_000}, call_context())
    assert isinstance(cut, str)
    assert 900_000 < len(cut) < 1_000_200
    assert cut.endswith("[The result is longer than max_result_bytes (1,000,000 bytes): this is its start.]")
    assert await servers.tool("small", "echo").call({"text": "a"}, call_context()) == "a"
    async with asyncio.timeout(20):
        whole = await servers.tool("large", "big").call({"bytes": 20_000_000}, call_context())
    assert isinstance(whole, str)
    assert len(whole) == 20_000_000


async def test_an_unknown_tool_is_an_error_for_the_model(start_servers: StartServers) -> None:
    servers = await start_servers(sdk=sdk_server())
    with pytest.raises(ToolError, match="Unknown tool: nothing"):
        await servers.tool("sdk", "nothing").call({}, call_context())


async def test_the_idempotency_key_is_sent_along(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server())
    meta = json.loads(str(await servers.tool("raw", "meta").call({}, call_context())))
    assert meta["opspawn/idempotency-key"] == "t1/c1"


async def test_the_span_of_a_call_is_sent_along_where_there_is_one(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server())
    meta = servers.tool("raw", "meta")
    with tracing_as(TraceParent(1, 2)):
        traced = json.loads(str(await meta.call({}, call_context())))
    assert traced["traceparent"] == f"00-{1:032x}-{2:016x}-01"
    assert "traceparent" not in json.loads(str(await meta.call({}, call_context())))


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
async def test_progress_reaches_those_who_watch(start_servers: StartServers, protocol: str) -> None:
    servers = await start_servers(sdk=sdk_server(protocol=protocol))
    reports: list[ToolProgress] = []
    context = call_context().with_signals(CallSignals(report=reports.append))
    assert await servers.tool("sdk", "count").call({"up_to": 2}, context) == "Counted."
    await eventually(lambda: ToolProgress(text="at 1", fraction=0.5) in reports, 10)


async def delete(servers: McpServers, context: ToolContext) -> ToolOutput:
    output = await servers.tool("sdk", "delete").call({"path": "/a"}, context)
    assert isinstance(output, ToolOutput)
    return output


async def test_a_call_that_needs_a_person_ends_and_is_resumed_by_another_one(start_servers: StartServers) -> None:
    servers = await start_servers(sdk=sdk_server())
    required = (await delete(servers, call_context())).input_required
    assert required is not None
    (request,) = required.requests
    assert request.method == "elicitation/create"
    assert request.params["message"] == "Delete /a?"
    inputs = {request.key: {"action": "accept", "content": {"ok": True}}}
    resuming = call_context(inputs=inputs, state=required.state)
    assert await servers.tool("sdk", "delete").call({"path": "/a"}, resuming) == "Deleted /a."


async def test_a_call_whose_state_is_lost_is_known_to_have_had_no_effect(start_servers: StartServers) -> None:
    first = await start_servers(sdk=sdk_server())
    second = await start_servers(sdk=sdk_server())  # a process with another key
    required = (await delete(first, call_context())).input_required
    assert required is not None
    inputs = {required.requests[0].key: {"action": "accept", "content": {"ok": True}}}
    with pytest.raises(RequestStateLost, match="MCP server sdk no longer knows the call of delete"):
        await delete(second, call_context(inputs=inputs, state=required.state))


async def test_over_an_older_protocol_a_call_waits_for_a_person(start_servers: StartServers) -> None:
    servers = await start_servers(sdk=sdk_server(protocol="legacy"))
    accepted = ClientInput(result={"action": "accept", "content": {"ok": False}})
    context, asked = answering(call_context(), accepted)
    assert await servers.tool("sdk", "delete").call({"path": "/a"}, context) == "Kept."
    assert [request.params["message"] for request in asked] == ["Delete /a?"]


async def test_a_wait_for_a_person_is_no_time_of_the_call_and_has_its_own_end(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server(timeout=1.5, elicitation_wait=4))

    async def late(_: ClientInputRequest) -> ClientInput:
        await asyncio.sleep(2)
        return ClientInput(result={"action": "decline"})

    async def never(_: ClientInputRequest) -> ClientInput:
        await asyncio.Event().wait()
        return ClientInput()

    for ask, expected in [(late, "decline"), (never, "There was no answer within 4 s.")]:
        context = call_context().with_signals(CallSignals(ask=ask))
        assert expected in str(await servers.tool("raw", "ask").call({}, context))


async def test_calls_of_a_server_that_asks_over_an_older_protocol_get_their_own_answers(
    start_servers: StartServers,
) -> None:
    servers = await start_servers(raw=raw_server())

    async def call(number: int) -> bool:
        answer = ClientInput(result={"action": "accept", "content": {"ok": number % 2 == 0}})
        context, asked = answering(call_context(), answer)
        result = str(await servers.tool("raw", "ask").call({"text": f"Sure of {number}?"}, context))
        assert [request.params["message"] for request in asked] == [f"Sure of {number}?"]
        return bool(json.loads(result)["content"]["ok"])

    assert await call(0)
    assert await asyncio.gather(*map(call, range(10))) == [number % 2 == 0 for number in range(10)]


async def test_a_page_that_a_person_must_visit_first_is_input_that_the_call_requires(
    start_servers: StartServers,
) -> None:
    servers = await start_servers(raw=raw_server())
    tool = servers.tool("raw", "log_in")
    output = await tool.call({}, call_context())
    assert isinstance(output, ToolOutput)
    assert output.input_required is not None
    (request,) = output.input_required.requests
    assert (request.method, request.params["url"]) == ("elicitation/create", "https://example.com/login")
    with pytest.raises(ToolError, match=r"requires that a person visits a page first; the answer was: decline"):
        await tool.call({}, call_context(inputs={request.key: {"action": "decline"}}))
    assert await tool.call({}, call_context(inputs={request.key: {"action": "accept"}})) == "Logged in."
