from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig

from activities.tool_calls import ToolCallLimits, ToolCalls
from agentkit.errors import WorkerBusy
from agentkit.interfaces import Tool
from agentkit.runtime.calls.tool_invocation import tool_context
from agentkit.tools import tool
from agentkit.tools.function_threads import FunctionThreads
from tests.polling import eventually


@tool(effect="pure", timeout=45)
def look() -> str:
    return ""


class HostedLook:
    """A tool that needs a process."""

    spec = look.spec
    call = look.call

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[Tool]:
        yield look


async def test_a_call_beyond_the_limit_waits_for_another_to_end() -> None:
    calls = ToolCalls(ToolCallLimits(running=1, wait_timeout_s=60))
    order: list[str] = []

    async def call() -> None:
        async with calls.running(look, tool_context("t", "c", 2), may_wait=True):
            order.append("second")

    async with calls.running(look, tool_context("t", "c", 1), may_wait=True):
        second = asyncio.create_task(call())
        await asyncio.sleep(0)
        order.append("first")
    await asyncio.wait_for(second, 30)
    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("limits", "may_wait"),
    [
        pytest.param(ToolCallLimits(running=1, wait_timeout_s=60), False, id="a local activity"),
        pytest.param(ToolCallLimits(running=1, waiting=0, wait_timeout_s=60), True, id="too many wait"),
        pytest.param(ToolCallLimits(running=1, wait_timeout_s=0.01), True, id="none ends"),
    ],
)
async def test_a_call_that_can_not_start_is_refused(limits: ToolCallLimits, may_wait: bool) -> None:
    calls = ToolCalls(limits)
    async with calls.running(look, tool_context("t", "c", 1), may_wait=True):
        with pytest.raises(WorkerBusy, match="look was not called: this worker runs 1 tool calls"):
            async with calls.running(look, tool_context("t", "c", 2), may_wait=may_wait):
                pass
    async with calls.running(look, tool_context("t", "c", 3), may_wait=False):
        pass


async def test_calls_in_processes_hold_up_no_call_in_the_worker() -> None:
    calls = ToolCalls(ToolCallLimits(running=1))
    async with (
        calls.running(HostedLook(), tool_context("t", "c", 1), may_wait=False),
        calls.running(look, tool_context("t", "c", 2), may_wait=False),
    ):
        pass


async def test_slow_calls_are_named_in_the_log_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    buffer = MetricBuffer(1_000)
    meter = Runtime(telemetry=TelemetryConfig(metrics=buffer)).metric_meter
    limits = ToolCallLimits(slow_after_s=0.05, check_interval_s=0.02)
    values: list[tuple[str, object, float]] = []

    def counted(name: str, count: int) -> bool:
        values.extend(
            (update.metric.name, update.attributes.get("tool"), update.value) for update in buffer.retrieve_updates()
        )
        return (f"opspawn_tool_{name}", "look", count) in values

    with caplog.at_level(logging.WARNING):
        async with ToolCalls(limits, meter) as calls:
            async with AsyncExitStack() as stack:
                for task in range(8):
                    await stack.enter_async_context(
                        calls.running(look, tool_context(f"task-{task}", "c", 1), may_wait=True)
                    )
                await eventually(lambda: counted("calls_slow", 8))
                assert counted("calls", 8)
                values.clear()
                await eventually(lambda: counted("calls_slow", 8))
            await eventually(lambda: counted("calls_slow", 0))
    (message,) = caplog.messages
    assert message.startswith("look: 8 calls have been running for more than 0.05 s (its timeout is 45 s), of tasks ")
    assert message.count("task-") == 5
    assert message.endswith(" and others")


async def test_functions_that_run_on_after_their_calls_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    threads, started, release = FunctionThreads(1), threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(60)

    with caplog.at_level(logging.WARNING):
        async with ToolCalls(ToolCallLimits(check_interval_s=0.02), threads=threads):
            call = asyncio.create_task(threads.run("block", block))
            assert await asyncio.to_thread(started.wait, 30)
            call.cancel()
            await eventually(lambda: bool(caplog.messages))
    release.set()
    (message,) = caplog.messages
    assert message.startswith(
        "block: 1 of its functions run on in threads of this worker though their calls have ended"
    )


async def test_slow_calls_are_listed_by_tool() -> None:
    threads, started, release = FunctionThreads(1), threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(60)

    calls = ToolCalls(ToolCallLimits(slow_after_s=0), threads=threads)
    assert calls.slow_calls() == []
    async with AsyncExitStack() as stack:
        for task in range(7):
            await stack.enter_async_context(calls.running(look, tool_context(f"t{task}", "c", 1), may_wait=False))
        blocked = asyncio.create_task(threads.run("block", block))
        assert await asyncio.to_thread(started.wait, 30)
        blocked.cancel()
        await asyncio.wait({blocked})
        stuck, slow = calls.slow_calls()
    release.set()
    assert (stuck.tool, stuck.count, stuck.abandoned) == ("block", 0, 1)
    assert (slow.tool, slow.count, slow.timeout, slow.abandoned) == ("look", 7, 45, 0)
    assert len(slow.task_ids) == 5
    await eventually(lambda: calls.slow_calls() == [])
