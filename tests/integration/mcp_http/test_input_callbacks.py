"""What servers ask during a request over the older protocols."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from mcp import MCPError
from mcp_types import TextContent

from agentkit.interfaces import ClientInput, ClientInputRequest
from agentkit.mcp.server_sessions import RequestHandlers
from tests.integration.mcp_http.calculators import calculating


async def answer_color(asked: ClientInputRequest, name: str) -> ClientInput:
    assert asked.key == "1"
    assert asked.params["message"] == "Which color?"
    return ClientInput(result={"action": "accept", "content": {"color": name}})


@pytest.mark.parametrize("kind", ["legacy", "sse"])
async def test_what_servers_ask_goes_to_the_request_that_they_work_on(kind: str) -> None:
    async with calculating(kind) as calc:
        names = [f"color {number}" for number in range(5)]
        handlers = [RequestHandlers(partial(answer_color, name=name)) for name in names]
        results = await asyncio.gather(*(calc.call("ask_color", each) for each in handlers))
    assert [result.content for result in results] == [[TextContent(text=f"accept: {name}")] for name in names]


@pytest.mark.parametrize("kind", ["legacy", "sse"])
async def test_what_is_asked_without_anybody_to_answer_is_declined(kind: str) -> None:
    async with calculating(kind) as calc:
        await calc.call("ask_color", RequestHandlers(partial(answer_color, name="red")))
        assert (await calc.call("ask_color")).content == [TextContent(text="decline: -")]


@pytest.mark.parametrize("kind", ["legacy", "sse"])
async def test_input_that_does_not_fit_the_protocol_is_an_error_of_the_request(kind: str) -> None:
    async def answer_wrongly(_: ClientInputRequest) -> ClientInput:
        return ClientInput(result={"action": "shrug"})

    async with calculating(kind) as calc:
        with pytest.raises(MCPError, match="does not fit"):
            await calc.call("ask_color", RequestHandlers(answer_wrongly))
        assert await calc.add(1, 2) == 3
