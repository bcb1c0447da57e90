"""Show a task's updates until it has ended, and ask its input requests on the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager

from agentkit.client import OpspawnClient, SystemInfo, Task, TaskEvent
from cli.answers.terminal_questions import TerminalQuestions
from cli.views.task_display import Display
from cli.views.worker_watch import WorkerWatch, system_info

__all__ = ["WatchedTask"]


class WatchedTask:
    """Shows the updates of one task; after an interruption, ``show`` continues where it stopped."""

    def __init__(
        self,
        task: Task,
        make_display: Callable[[SystemInfo | None], Display],
        questions: TerminalQuestions | None = None,
    ) -> None:
        """Watch ``task`` from its first event; ``questions`` None: nothing is asked on this terminal."""
        self._task = task
        self._make_display = make_display
        self._questions = questions
        self._position: str | None = None

    async def show(self, client: OpspawnClient) -> Task:
        """Return the ended task.

        Raises:
            ClientError: the API refused, or did not respond for minutes.
        """
        display = self._make_display(await system_info(client))
        terminal_lock = asyncio.Lock()
        worker_watch = WorkerWatch(client, self._task, terminal_lock)
        with display:
            async with (
                _running(worker_watch.run(), *self._asking(client, terminal_lock)),
                aclosing(client.watch(self._task.id, after=self._position)) as updates,
            ):
                async for update in updates:
                    worker_watch.on_update()
                    display.show(update)
                    if isinstance(update, TaskEvent):
                        self._position = update.position or self._position
                    if self._questions is not None:
                        self._questions.on_update(update)
        return await client.wait(self._task.id)

    def _asking(self, client: OpspawnClient, terminal_lock: asyncio.Lock) -> list[Coroutine[None, None, None]]:
        return [] if self._questions is None else [self._questions.run(client, terminal_lock)]


@asynccontextmanager
async def _running(*coroutines: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run these beside the body, and end them with it; their errors are raised after it."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result
