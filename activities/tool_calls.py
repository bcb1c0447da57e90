"""The tool calls that a worker runs: how many at once, and which of them take long."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

from temporalio.common import MetricMeter

from agentkit.errors import WorkerBusy
from agentkit.interfaces import PREPARATION_TIMEOUT_S, Tool, ToolContext
from agentkit.records import Record
from agentkit.specs import ToolSpec
from agentkit.tools.function_threads import FUNCTION_THREADS, FunctionThreads

__all__ = ["RunningCall", "SlowCalls", "ToolCallLimits", "ToolCalls"]

logger = logging.getLogger("opspawn.tools")

_MAX_TASKS = 5
"""The most tasks that one line of the log names."""


@dataclass(frozen=True)
class ToolCallLimits:
    """How many tool calls a worker runs at once, and its times in seconds."""

    running: int = 100
    """Calls in processes of their own, and as many in the worker itself, such as those of built-in tools. Fewer than
    the worker's activity slots: calls that take long leave the others to models."""
    waiting: int = 50
    """How many further calls may wait for one to end; others are refused at once, for another worker to take them."""
    wait_timeout_s: float = PREPARATION_TIMEOUT_S
    """How long a call waits; then it is refused."""
    slow_after_s: float = 30.0
    """A call that has run for longer is named in the log."""
    check_interval_s: float = 5.0
    """How often the calls are checked for slow ones, and counted for the metrics."""


@dataclass(eq=False)
class RunningCall:
    """A call that has not ended."""

    tool: ToolSpec
    context: ToolContext
    started_at: float = field(default_factory=time.monotonic)
    is_reported: bool = False


class SlowCalls(Record):
    """A tool's calls that have run for long, or whose function runs on in the worker though the call has ended."""

    tool: str
    count: int
    """Calls that have run for more than ``ToolCallLimits.slow_after_s``."""
    seconds: float = 0.0
    """How long the longest of them has run."""
    timeout: float = 0.0
    """The tool's timeout, in seconds."""
    task_ids: tuple[str, ...] = ()
    """Of some of the tasks whose calls they are."""
    abandoned: int = 0
    """Functions whose call has ended."""


class ToolCalls:
    """Limits the tool calls of a worker. In ``async with``, slow calls are logged, and all are counted in metrics."""

    def __init__(
        self,
        limits: ToolCallLimits = ToolCallLimits(),  # it is frozen
        meter: MetricMeter = MetricMeter.noop,
        threads: FunctionThreads = FUNCTION_THREADS,
    ) -> None:
        self._limits = limits
        self._threads = threads
        self._slots = {is_hosted: asyncio.Semaphore(limits.running) for is_hosted in (True, False)}
        self._waiting = 0
        self._calls: set[RunningCall] = set()
        self._abandoned: Mapping[str, int] = {}
        self._watching: asyncio.Task[None] | None = None
        self._gauges = {
            name: meter.create_gauge(f"opspawn_tool_{name}", description)
            for name, description in (
                ("calls", "Tool calls that this worker runs"),
                ("calls_slow", f"Those that have run for more than {limits.slow_after_s:g} s"),
                ("threads_abandoned", "Functions that run on in this worker though their call has ended"),
            )
        }
        self._tools: dict[str, set[str]] = defaultdict(set)
        """The tools that each gauge has a value for."""

    @property
    def running_counts(self) -> Mapping[str, int]:
        """The number of calls that run, by tool."""
        return Counter(call.tool.name for call in self._calls)

    def slow_calls(self) -> list[SlowCalls]:
        """Return the calls that take long, or can't be stopped, as they are now; by tool."""
        now, abandoned = time.monotonic(), self._threads.abandoned
        by_tool: dict[str, list[RunningCall]] = {name: [] for name in abandoned}
        for call in self._slow_calls():
            by_tool.setdefault(call.tool.name, []).append(call)
        return [
            SlowCalls(
                tool=name,
                count=len(calls),
                seconds=max((now - call.started_at for call in calls), default=0.0),
                timeout=max((call.tool.timeout for call in calls), default=0.0),
                task_ids=tuple(call.context.task_id for call in calls[:_MAX_TASKS]),
                abandoned=abandoned.get(name, 0),
            )
            for name, calls in sorted(by_tool.items())
        ]

    async def __aenter__(self) -> Self:
        """Start checking."""
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop checking."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    @asynccontextmanager
    async def running(self, tool: Tool, context: ToolContext, *, may_wait: bool) -> AsyncIterator[None]:
        """Take a slot for a call, and register the call until it ends.

        Raises:
            WorkerBusy: none is free; the call has not started.
        """
        slots = self._slots[hasattr(tool, "prepared")]
        if slots.locked():
            await self._wait(slots, tool.spec, may_wait=may_wait)
        else:
            await slots.acquire()
        call = RunningCall(tool.spec, context)
        self._calls.add(call)
        try:
            yield
        finally:
            self._calls.discard(call)
            slots.release()

    async def _wait(self, slots: asyncio.Semaphore, tool: ToolSpec, *, may_wait: bool) -> None:
        busy = WorkerBusy(
            f"{tool.name} was not called: this worker runs {self._limits.running} tool calls, the most that it may."
        )
        if not may_wait or self._waiting >= self._limits.waiting:
            raise busy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.wait_timeout_s):
                await slots.acquire()
        except TimeoutError:
            raise busy from None
        finally:
            self._waiting -= 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._limits.check_interval_s)
            slow = self._slow_calls()
            self._log_slow(call for call in slow if not call.is_reported)
            self._log_abandoned()
            self._set("calls", self.running_counts)
            self._set("calls_slow", Counter(call.tool.name for call in slow))
            self._set("threads_abandoned", self._abandoned)

    def _slow_calls(self) -> list[RunningCall]:
        since = time.monotonic() - self._limits.slow_after_s
        return [call for call in self._calls if call.started_at <= since]

    def _log_slow(self, calls: Iterable[RunningCall]) -> None:
        by_tool: dict[str, list[RunningCall]] = defaultdict(list)
        for call in calls:
            call.is_reported = True
            by_tool[call.tool.name].append(call)
        for name, slow in by_tool.items():
            logger.warning(
                "%s: %d calls have been running for more than %g s (its timeout is %g s), of tasks %s%s",
                name,
                len(slow),
                self._limits.slow_after_s,
                slow[0].tool.timeout,
                ", ".join(call.context.task_id for call in slow[:_MAX_TASKS]),
                " and others" if len(slow) > _MAX_TASKS else "",
            )

    def _log_abandoned(self) -> None:
        before, self._abandoned = self._abandoned, self._threads.abandoned
        for name, count in self._abandoned.items():
            if count > before.get(name, 0):
                logger.warning(
                    "%s: %d of its functions run on in threads of this worker though their calls have ended. In "
                    'processes of their own (tool_host = "process") they would be stopped.',
                    name,
                    count,
                )

    def _set(self, gauge: str, counts: Mapping[str, int]) -> None:
        for name in self._tools[gauge] | counts.keys():
            self._gauges[gauge].set(counts.get(name, 0), {"tool": name})
        self._tools[gauge] |= counts.keys()
