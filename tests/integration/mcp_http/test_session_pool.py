"""The pool of sessions of the older protocols."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.mcp_http.calculators import TIMEOUT_S, calculating


@pytest.mark.parametrize("kind", ["legacy", "sse"])
async def test_idle_sessions_are_ended(kind: str) -> None:
    async with calculating(kind, idle_timeout=0.1) as calc:
        await calc.add(1, 2)
        await calc.server.until_closed()
        assert await calc.add(1, 2) == 3
        assert calc.server.methods().count("initialize") == 2


async def test_sessions_are_used_again() -> None:
    async with calculating("legacy") as calc:
        for _ in range(3):
            await calc.add(1, 2)
        assert calc.server.methods().count("initialize") == 1


async def test_requests_at_the_same_time_have_sessions_of_their_own() -> None:
    async with calculating("legacy") as calc:
        waiting = asyncio.create_task(calc.call("wait"))
        await asyncio.wait_for(calc.running.wait(), TIMEOUT_S)
        assert await calc.add(1, 2) == 3
        assert calc.server.methods().count("initialize") == 2
        waiting.cancel()
        await asyncio.wait({waiting})


@pytest.mark.parametrize("kind", ["legacy", "sse"])
async def test_closing_ends_the_sessions_of_requests_under_way(kind: str) -> None:
    async with calculating(kind) as calc:
        waiting = asyncio.create_task(calc.call("wait"))
        await asyncio.wait_for(calc.running.wait(), TIMEOUT_S)
        await asyncio.wait_for(calc.sessions.aclose(), TIMEOUT_S)
        await asyncio.wait({waiting}, timeout=TIMEOUT_S)
        assert isinstance(waiting.exception(), Exception)
