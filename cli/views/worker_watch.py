"""Write on stderr when a task waits for a worker or its workflow code fails, and when it goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from agentkit.client import ClientError, OpspawnClient, SystemInfo, Task
from cli.views.console import err, write_message
from cli.views.notices import stalled_notice, worker_notice

__all__ = ["WorkerWatch", "system_info"]

_SILENCE_S = 1.5
"""Without an update for so long, the task may be waiting for a worker, or stalled."""
_CHECK_INTERVALS_S = (2.0, 3.0, 5.0, 10.0)
"""Before each request while the task is silent; the last one repeats."""


class WorkerWatch:
    """Checks a silent task for a missing worker and for failing code, beside the stream of its events."""

    def __init__(
        self,
        client: OpspawnClient,
        task: Task,
        terminal: asyncio.Lock,
        *,
        silence_s: float = _SILENCE_S,
        intervals_s: Sequence[float] = _CHECK_INTERVALS_S,
    ) -> None:
        """Watch the task; nothing is written while someone else holds the ``terminal``."""
        self._client = client
        self._task = task
        self._terminal = terminal
        self._silence_s = silence_s
        self._intervals_s = intervals_s
        self._updated_at = time.monotonic()
        self._is_waiting = False
        self._is_stalled = False

    def on_update(self) -> None:
        """Record that something happened in the task."""
        self._updated_at = time.monotonic()

    async def run(self) -> None:
        """Check again and again, until it is cancelled."""
        check = 0
        if self._task.waiting_for_worker or self._task.stalled:
            await self._check_when_free()
        while True:
            await asyncio.sleep(self._intervals_s[min(check, len(self._intervals_s) - 1)])
            if time.monotonic() - self._updated_at < self._silence_s and not (self._is_waiting or self._is_stalled):
                check = 0
                continue
            check += 1
            await self._check_when_free()

    async def _check_when_free(self) -> None:
        async with self._terminal:
            await self._check()

    async def _check(self) -> None:
        try:
            task = await self._client.get(self._task.id)
        except ClientError:  # the stream of events reports it
            return
        self._report_stall(task)
        if task.waiting_for_worker == self._is_waiting:
            return
        self._is_waiting = task.waiting_for_worker
        if self._is_waiting:
            write_message(err, worker_notice(await system_info(self._client)), style="yellow")
        elif not task.ended:
            write_message(err, "A worker polls again, and the task goes on.")

    def _report_stall(self, task: Task) -> None:
        if (task.stalled is not None) == self._is_stalled:
            return
        self._is_stalled = task.stalled is not None
        if task.stalled is not None:
            write_message(err, stalled_notice(task.stalled), style="red")
        elif not task.ended:
            write_message(err, "Its workflow code no longer fails, and the task goes on.")


async def system_info(client: OpspawnClient) -> SystemInfo | None:
    """Return what the API serves; None if it doesn't respond or has no such call."""
    try:
        return await client.system()
    except ClientError:
        return None
