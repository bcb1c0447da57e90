"""Which call a server's request belongs to, over older protocols."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import ClientInput, ClientInputRequest
from agentkit.mcp.server_sessions import RequestHandlers
from agentkit.mcp.stdio import request_attribution
from agentkit.mcp.stdio.request_attribution import RequestAttribution

ELICITATION = ClientInputRequest(key="", method="elicitation/create", params={"message": "Sure?"})
ROOTS = ClientInputRequest(key="", method="roots/list")


class Asked:
    """Handlers that note what they are asked, and answer with their name."""

    def __init__(self, name: str, *, never_answers: bool = False) -> None:
        self.name = name
        self.keys: list[str] = []
        self.asked = asyncio.Event()
        self._never_answers = never_answers
        self.handlers = RequestHandlers(ask=self._ask)

    async def _ask(self, request: ClientInputRequest) -> ClientInput:
        self.keys.append(request.key)
        self.asked.set()
        if self._never_answers:
            await asyncio.Event().wait()
        return ClientInput(result={"by": self.name})


@pytest.fixture(autouse=True)
def short_ambiguity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_attribution, "_AMBIGUITY_TIMEOUT_S", 0.1)


@asynccontextmanager
async def in_flight(attribution: RequestAttribution, *calls: Asked) -> AsyncIterator[None]:
    async with asyncio.timeout(30), AsyncExitStack() as stack:
        for call in calls:
            await stack.enter_async_context(attribution.call(call.handlers))
        yield


async def test_a_request_goes_to_the_only_call_with_a_key_that_counts_within_the_call() -> None:
    attribution = RequestAttribution("x", max_wait_s=1)
    for name in "ab":
        call = Asked(name)
        async with in_flight(attribution, call):
            for _ in range(2):
                assert (await attribution.ask(ELICITATION)).result == {"by": name}
        assert call.keys == ["1", "2"]


async def test_a_request_outside_of_calls_is_declined() -> None:
    given = await RequestAttribution("x", max_wait_s=1).ask(ELICITATION)
    assert given.error == "The client answers only during a tool call."


async def test_a_request_among_several_calls_waits_until_one_is_left() -> None:
    attribution = RequestAttribution("x", max_wait_s=30)
    first, second = Asked("first"), Asked("second")
    async with in_flight(attribution, first):
        async with attribution.call(second.handlers):
            asking = asyncio.create_task(attribution.ask(ELICITATION))
            await asyncio.sleep(0)
            assert not asking.done()
        assert (await asking).result == {"by": "first"}
    assert second.keys == []


async def test_a_request_that_stays_ambiguous_is_declined_with_the_reason() -> None:
    attribution = RequestAttribution("x", max_wait_s=30)
    first, second = Asked("first"), Asked("second")
    async with in_flight(attribution, first, second):
        given = await attribution.ask(ELICITATION)
    assert given.result is None
    assert given.error is not None
    assert "it can't be known which one asks" in given.error
    assert first.keys == second.keys == []


async def test_calls_of_a_server_that_has_asked_are_made_one_at_a_time() -> None:
    attribution = RequestAttribution("x", max_wait_s=30)
    order: list[str] = []

    async def call(name: str) -> None:
        async with attribution.call(Asked(name).handlers):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async with in_flight(attribution, Asked("first")):
        await attribution.ask(ELICITATION)
        waiting = [asyncio.create_task(call(name)) for name in "ab"]
        await asyncio.sleep(0)
        assert order == []
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)
    assert order == ["a begins", "a ends", "b begins", "b ends"]


async def test_calls_of_a_server_that_never_asks_run_at_the_same_time() -> None:
    attribution = RequestAttribution("x", max_wait_s=0.05)
    async with in_flight(attribution, *(Asked(str(number)) for number in range(50))):
        pass


async def test_a_call_that_gets_no_turn_is_not_made_and_the_message_names_the_reason() -> None:
    attribution = RequestAttribution("files", max_wait_s=0.05)
    async with in_flight(attribution, Asked("first")):
        await attribution.ask(ELICITATION)
        with pytest.raises(McpServerUnavailable, match=r"MCP server files \(request\): no turn within 0.05 s"):
            async with attribution.call(Asked("second").handlers):
                pytest.fail("it has begun")


async def test_a_question_ends_with_its_call() -> None:
    attribution = RequestAttribution("x", max_wait_s=1)
    call = Asked("first", never_answers=True)
    async with in_flight(attribution, call):
        asking = asyncio.create_task(attribution.ask(ELICITATION))
        await call.asked.wait()
    async with asyncio.timeout(30):
        assert (await asking).error == "The call has ended."


async def test_the_roots_of_a_shared_session_are_empty_and_do_not_slow_calls_down() -> None:
    attribution = RequestAttribution("x", max_wait_s=0.05)
    call = Asked("first")
    async with in_flight(attribution, call):
        assert (await attribution.ask(ROOTS)).result == {"roots": []}
        async with attribution.call(Asked("second").handlers):
            pass
    assert call.keys == []
