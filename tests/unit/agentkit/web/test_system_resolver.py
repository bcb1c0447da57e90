from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.web.system_resolver import SystemResolver

resolve = SystemResolver()


async def test_the_systems_resolver_finds_this_machine() -> None:
    assert "127.0.0.1" in await resolve("localhost", 80)


async def test_an_unknown_host_is_a_tool_error() -> None:
    # Without a name server the error is the transient one.
    with pytest.raises(ToolError, match=r"no host 'nowhere\.invalid'|can't be resolved"):
        await resolve("nowhere.invalid", 80)


async def test_an_impossible_host_name_is_a_permanent_tool_error() -> None:
    with pytest.raises(ToolError, match="can't be the name of a host") as raised:
        await resolve("a" * 64 + ".test", 80)
    assert not isinstance(raised.value, ToolUnavailable)


async def test_threads_that_others_block_hold_up_no_look_up() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(threads)
        blocked = loop.run_in_executor(None, release.wait)
        try:
            assert await asyncio.wait_for(resolve("localhost", 80), 30)
        finally:
            release.set()
        assert await blocked
