"""A pool of warm tool hosts: it grows on demand, and shrinks when hosts are idle."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentkit.errors import ToolNotStarted, ToolUnavailable
from agentkit.tools.host.host_limits import DEFAULT_LIMITS, HostLimits
from agentkit.tools.host.host_starter import HostStarter
from agentkit.tools.host.project_description import ProjectDescription
from agentkit.tools.host.tool_host import ToolHost

__all__ = ["HostPool"]

logger = logging.getLogger("opspawn.tools")

_MAX_STARTING = max(2, os.cpu_count() or 1)
"""Hosts that start at once: imports need CPU, and running hosts become free meanwhile."""


@dataclass(eq=False)
class _Waiter:
    """A call that waits for a host."""

    tool: str
    host: asyncio.Future[ToolHost]
    since: float


class HostPool:
    """Lends hosts to calls, each to one at a time. The first call starts the first host."""

    def __init__(self, app_dir: Path, project: ProjectDescription, limits: HostLimits = DEFAULT_LIMITS) -> None:
        self.imported_files: frozenset[Path] = frozenset()
        """Files of the project that calls have imported."""
        self._app_dir = app_dir
        self._project = project
        self._limits = limits
        self._can_start = True
        self._reset()

    def _reset(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starter: HostStarter | None = None
        self._hosts: dict[ToolHost, ProjectDescription] = {}
        """The hosts that are idle or lent, with what they have imported."""
        self._idle: list[ToolHost] = []
        self._waiters: deque[_Waiter] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._shrinking: asyncio.TimerHandle | None = None

    @property
    def size(self) -> int:
        """How many hosts are idle, lent or starting."""
        return len(self._hosts) + len(self._starting)

    def use(self, project: ProjectDescription) -> None:
        """Use hosts that have imported ``project`` for calls from now on; may be called in any thread."""
        self._project, self._can_start = project, True

    def keep(self) -> None:
        """Start no further hosts while there are any: the files have changed, and are broken. See ``use``."""
        self._can_start = False

    @asynccontextmanager
    async def lend(self, tool: str) -> AsyncIterator[ToolHost]:
        """Lend a host for one call of the tool.

        Raises:
            ToolNotStarted: no host became free or could be started; the tool was not called.
        """
        host = await self._acquire(tool)
        try:
            yield host
        finally:
            self._release(host)

    async def warm_up(self) -> None:
        """Start the first host, unless there is one."""
        self._bind_to_loop()
        self._start_hosts()
        if self._starting:
            await asyncio.wait(self._starting)

    async def close(self) -> None:
        """End all hosts."""
        starter, starting = self._starter, list(self._starting)
        if self._shrinking is not None:
            self._shrinking.cancel()
        self._reset()
        if starter is not None:
            await starter.close()
        if starting:
            await asyncio.wait(starting)

    # Calls wait for hosts.

    async def _acquire(self, tool: str) -> ToolHost:
        self._bind_to_loop()
        self._end_outdated()
        if (host := self._idle_host(tool)) is not None:
            self._idle.remove(host)
            self._start_hosts()
            return host
        loop = asyncio.get_running_loop()
        waiter = _Waiter(tool, loop.create_future(), loop.time())
        self._waiters.append(waiter)
        self._start_hosts()
        try:
            async with asyncio.timeout(self._limits.wait_timeout_s):
                return await waiter.host
        except TimeoutError:
            self._give_up(waiter)
            raise ToolNotStarted(
                f"{tool} was not called: no process for it became free within {self._limits.wait_timeout_s:g} s. "
                "Try again later."
            ) from None
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise

    def _idle_host(self, tool: str) -> ToolHost | None:
        """Return the idle host kept for the tool, else the one used last, so that the others reach their idle limit."""
        usable = [host for host in self._idle if host.is_usable and host.reserved_for in (None, tool)]
        return max(usable, key=lambda host: (host.reserved_for is not None, host.idle_since), default=None)

    def _give_up(self, waiter: _Waiter) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if waiter.host.done() and not waiter.host.cancelled() and waiter.host.exception() is None:
            self._release(waiter.host.result())  # lent in the same moment

    def _release(self, host: ToolHost) -> None:
        if host.stopping is not None and not host.stopping.done():
            host.stopping.add_done_callback(lambda _: self._release(host))
            return
        if host.imported_files:
            self.imported_files |= frozenset(map(Path, host.imported_files))
        project = self._hosts.get(host)
        if project is None:  # it has ended, or the pool is closed
            return
        if host.is_usable and project is self._project:
            self._offer(host)
        else:
            self._discard(host)
            self._start_hosts()

    def _offer(self, host: ToolHost) -> None:
        """Lend the host to the first call that waits for one like it, or keep it idle."""
        for waiter in self._waiters:
            if not waiter.host.done() and host.reserved_for in (None, waiter.tool):
                self._waiters.remove(waiter)
                waiter.host.set_result(host)
                return
        host.idle_since = asyncio.get_running_loop().time()
        self._idle.append(host)
        self._schedule_shrinking()

    # Hosts start and end.

    def _bind_to_loop(self) -> None:
        """Begin anew when the event loop is another than before, or when the fork server has ended."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._starter is not None:
                self._starter.abandon()
            self._reset()
            self._loop = loop
        if self._starter is None or not self._starter.is_running:
            try:
                self._starter = HostStarter(self._app_dir, self._limits)
            except OSError as error:  # such as too many open files
                raise ToolNotStarted(f"No process for the project's tools can be started ({error}).") from error

    def _start_hosts(self) -> None:
        """Start as many hosts as calls wait for, and a spare one for the next call."""
        has_spare = any(host.reserved_for is None for host in self._idle)
        wanted = len(self._waiters) + (0 if has_spare else 1)
        while len(self._starting) < min(wanted, _MAX_STARTING) and self._has_room():
            task = asyncio.create_task(self._start_host())
            self._starting.add(task)
            task.add_done_callback(self._on_started)

    def _has_room(self) -> bool:
        if not self._can_start and self._hosts:
            return False
        if self.size < self._limits.max_hosts:
            return True
        kept_for_one_tool = next((host for host in self._idle if host.reserved_for is not None), None)
        if kept_for_one_tool is None or not self._waiters:
            return False
        self._discard(kept_for_one_tool)
        return True

    async def _start_host(self) -> None:
        starter, project, started_at = self._starter, self._project, asyncio.get_running_loop().time()
        timeout_s = self._limits.start_timeout_s
        if starter is None:
            return
        try:
            host = await starter.start(project.importable)
        except (ToolUnavailable, OSError) as error:
            self._fail_waiter(f"no process for it can be started ({error})", started_at)
            return
        first: list[asyncio.Future[Any]] = [host.ready, host.ended]
        await asyncio.wait(first, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if starter is not self._starter:  # the pool was closed
            host.end()
        elif not host.is_usable:
            how = host.ended.result() if host.ended.done() else f"took more than {timeout_s:g} s"
            host.end()
            self._fail_waiter(f"a process that was to import the project's tools {how}", started_at)
        elif self._hosts and not self._waiters and project.tool_names - set(host.ready.result()["tools"]):
            host.end()  # a file has changed meanwhile: the other hosts have imported what is in use
        else:
            self._hosts[host] = project
            host.ended.add_done_callback(lambda _: self._forget(host))
            self._offer(host)

    def _on_started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A process for the project's tools could not be started", exc_info=error)
            self._fail_waiter(f"a process for it could not be started ({error})", math.inf)
        if self._waiters:
            self._start_hosts()

    def _fail_waiter(self, reason: str, started_at: float) -> None:
        """Fail the first call that a start was for; for one that came later another host is started."""
        waiting = (waiter for waiter in self._waiters if waiter.since <= started_at and not waiter.host.done())
        waiter = next(waiting, None)
        if waiter is not None:
            self._waiters.remove(waiter)
            waiter.host.set_exception(ToolNotStarted(f"{waiter.tool} was not called: {reason}."))
        elif not self._waiters:
            logger.warning("No spare process for the project's tools: %s", reason)

    def _end_outdated(self) -> None:
        for host in list(self._idle):
            if self._hosts[host] is not self._project:
                self._discard(host)

    def _discard(self, host: ToolHost) -> None:
        host.end()
        self._forget(host)

    def _forget(self, host: ToolHost) -> None:
        self._hosts.pop(host, None)
        if host in self._idle:
            self._idle.remove(host)

    def _schedule_shrinking(self) -> None:
        if self._shrinking is None and len(self._idle) > 1:
            self._shrinking = asyncio.get_running_loop().call_later(self._limits.idle_timeout_s, self._shrink)

    def _shrink(self) -> None:
        self._shrinking = None
        self._end_outdated()
        newest = next((host for host in reversed(self._idle) if host.reserved_for is None), None)
        idle_before = asyncio.get_running_loop().time() - self._limits.idle_timeout_s
        for host in list(self._idle):
            if host is not newest and host.idle_since <= idle_before:
                self._discard(host)
        self._schedule_shrinking()
