from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from agentkit.tools.function_threads import FunctionThreads

CALL = contextvars.ContextVar("CALL", default="none")


async def test_a_function_runs_in_a_thread_with_the_callers_context() -> None:
    CALL.set("of this test")
    seen = await FunctionThreads(1).run("look", lambda: (CALL.get(), threading.current_thread().name[:4]))
    assert seen == ("of this test", "tool")


async def test_a_function_that_runs_on_after_its_call_is_counted_until_it_ends() -> None:
    threads, started, release = FunctionThreads(1), threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(60)

    call = asyncio.create_task(threads.run("block", block))
    assert await asyncio.to_thread(started.wait, 30)
    assert threads.abandoned == {}
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert threads.abandoned == {"block": 1}
    release.set()
    await asyncio.wait_for(threads.run("next", str), 30)
    assert threads.abandoned == {}


async def test_a_function_that_has_not_started_is_not_counted_when_it_is_cancelled() -> None:
    threads, release = FunctionThreads(1), threading.Event()
    first = asyncio.create_task(threads.run("block", lambda: release.wait(60)))
    await asyncio.sleep(0)
    second = asyncio.create_task(threads.run("next", str))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert threads.abandoned == {}
    release.set()
    assert await first
