"""Requests of MCP servers for input, in the local runner, which drives the same rules as the workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from pydantic import JsonValue

from agentkit.input_requests import INTERRUPTION, InputAnswer, InputRequest
from agentkit.interfaces import ClientInputRequest, InputRequired, ToolContext, ToolOutput, ToolValue
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.local_runner import Ask, LocalRunner
from agentkit.specs import AgentSpec, McpSelection, PolicyRule
from agentkit.testing import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool, ScriptedModel
from agentkit.tools import ToolRegistry

FORM: JsonValue = {"type": "object", "properties": {"seat": {"type": "string"}}}
AGENT = AgentSpec(
    name="a",
    models=("scripted:m",),
    planner="tools",
    mcp=McpSelection(tools=("travel",)),
    policy=(PolicyRule(tool="mcp:travel/*", then="allow"),),
)


def elicitation(**params: JsonValue) -> ClientInputRequest:
    return ClientInputRequest(key="k", method="elicitation/create", params=params)


async def answer_seat(request: InputRequest) -> InputAnswer:
    return InputAnswer(input_request_id=request.id, decision="answer", answer={"seat": "4A"})


async def run(
    request: ClientInputRequest, ask: Ask | None = None, *, waits: bool = False
) -> tuple[str, list[JsonValue]]:
    """Run a task whose tool asks once; return its result, and what the tool got."""
    given: list[JsonValue] = []

    async def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        if waits:
            answered = await context.signals.ask(request)
            given.append(answered.result or answered.error)
            return "Booked."
        if context.mcp is None or context.mcp.inputs is None:
            return ToolOutput(value="Asks.", input_required=InputRequired(requests=(request,), state="s"))
        given.append(context.mcp.inputs["k"])
        return "Booked."

    servers = ScriptedMcpServers({"travel": ScriptedMcpServer({"book": ScriptedMcpTool(book)})})
    model = ScriptedModel([ToolCall(id="c1", name="travel__book"), "Done."])
    runner = LocalRunner({"scripted": model}, ToolRegistry([]), ask=ask, mcp_servers=servers)
    result = await runner.run(AGENT, "Book.")
    (part,) = (part for message in result.transcript for part in message.parts if isinstance(part, ToolResult))
    return part.content, given


@pytest.mark.parametrize("waits", [False, True], ids=["resumed", "waiting"])
async def test_a_persons_answer_reaches_the_server(waits: bool) -> None:
    text, given = await run(elicitation(message="Seat?", requestedSchema=FORM), answer_seat, waits=waits)

    assert text == "Booked."
    assert given == [{"action": "accept", "content": {"seat": "4A"}}]


@pytest.mark.parametrize("waits", [False, True], ids=["resumed", "waiting"])
async def test_where_nobody_is_there_to_ask_the_server_is_declined(waits: bool) -> None:
    _, given = await run(elicitation(message="Seat?", requestedSchema=FORM), waits=waits)

    assert given == [{"action": "decline"}]


async def test_the_request_names_the_server_and_is_bounded() -> None:
    asked: list[InputRequest] = []

    async def ask(request: InputRequest) -> InputAnswer:
        asked.append(request)
        return await answer_seat(request)

    await run(elicitation(message="x" * 100_000, requestedSchema=FORM), ask)

    assert asked[0].message.startswith("MCP server travel asks: xxx")
    assert len(asked[0].message) < 3_000


async def test_a_form_that_is_no_schema_is_refused() -> None:
    text, given = await run(elicitation(message="Seat?", requestedSchema="text"), answer_seat)

    assert 'The form must be a JSON Schema of "type": "object".' in text
    assert given == []


async def test_an_answer_that_the_protocol_can_not_express_is_not_sent() -> None:
    async def ask(request: InputRequest) -> InputAnswer:
        return InputAnswer(input_request_id=request.id, decision="answer", answer={"seat": {"row": 4}})

    text, given = await run(elicitation(message="Seat?", requestedSchema={}), ask)

    assert "fields that are no texts" in text
    assert given == []


async def test_a_page_is_accepted_without_content() -> None:
    asked: list[InputRequest] = []

    async def ask(request: InputRequest) -> InputAnswer:
        asked.append(request)
        return InputAnswer(input_request_id=request.id, decision="answer")

    _, given = await run(elicitation(mode="url", message="Pay. " * 1_000, url="https://pay.example/1"), ask)

    assert given == [{"action": "accept"}]
    assert (asked[0].url, asked[0].answer_schema) == ("https://pay.example/1", None)


async def test_an_interruption_is_no_refusal_by_a_person() -> None:
    async def ask(request: InputRequest) -> InputAnswer:
        return InputAnswer(input_request_id=request.id, decision="decline", answered_by=INTERRUPTION)

    _, given = await run(elicitation(message="Seat?", requestedSchema=FORM), ask)

    assert given == [{"action": "cancel"}]


async def run_round(requests: Sequence[ClientInputRequest], ask: Ask) -> str:
    """Run a task whose tool requires all of this at once; return its result."""

    def book(_: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        return ToolOutput(value="Asks.", input_required=InputRequired(requests=tuple(requests), state="s"))

    servers = ScriptedMcpServers({"travel": ScriptedMcpServer({"book": ScriptedMcpTool(book)})})
    model = ScriptedModel([ToolCall(id="c1", name="travel__book"), "Done."])
    result = await LocalRunner({"scripted": model}, ToolRegistry([]), ask=ask, mcp_servers=servers).run(AGENT, "Book.")
    (part,) = (part for message in result.transcript for part in message.parts if isinstance(part, ToolResult))
    return part.content


async def test_what_can_not_be_obtained_ends_the_questions_of_its_round() -> None:
    withdrawn = asyncio.Event()

    async def ask(request: InputRequest) -> InputAnswer:
        try:
            await asyncio.Event().wait()
        finally:
            withdrawn.set()
        raise AssertionError

    form = elicitation(message="Seat?", requestedSchema=FORM)
    sampling = ClientInputRequest(key="m", method="sampling/createMessage")
    async with asyncio.timeout(10):
        text = await run_round([form, sampling], ask)

    assert 'its "sampling" is "deny"' in text
    assert withdrawn.is_set()


async def test_a_server_can_not_ask_a_thousand_things_at_once() -> None:
    requests = [
        elicitation(message="Seat?", requestedSchema=FORM).model_copy(update={"key": str(n)}) for n in range(1_000)
    ]

    assert "It asked for 1,000 things at once; 20 are taken." in await run_round(requests, answer_seat)


async def test_roots_need_nobody() -> None:
    _, given = await run(ClientInputRequest(key="k", method="roots/list"))

    assert given == [{"roots": []}]


async def test_a_server_may_not_ask_the_model_unless_its_settings_allow_it() -> None:
    text, given = await run(ClientInputRequest(key="k", method="sampling/createMessage", params={"messages": []}))

    assert 'its "sampling" is "deny"' in text
    assert given == []
