"""A task's updates are shown once, also where showing them was interrupted."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from agentkit.client import OpspawnClient, Task, TaskUpdate, ToolStarted
from cli.views.task_display import ConnectionNotices
from cli.watched_task import WatchedTask
from tests.unit.scripted_api import EVENTS, ScriptedApi, stream, task


class Shown(ConnectionNotices):
    """Keeps the types of the events that are shown."""

    def __init__(self) -> None:
        self.types: list[str] = []
        self.tool_started = asyncio.Event()

    def show(self, update: TaskUpdate) -> None:
        """Show one update."""
        self.types.append(getattr(update, "type", ""))
        if isinstance(update, ToolStarted):
            self.tool_started.set()


async def test_after_an_interruption_it_goes_on_after_the_last_event(api: ScriptedApi) -> None:
    api.on("GET", "/system", {"task_queue": "q", "temporal": "127.0.0.1:7233"})
    api.on("GET", "/tasks/task-1", task())
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS[:6], cut=True), stream(*EVENTS[6:]))
    display = Shown()
    watched = WatchedTask(Task.from_json(task("running")), lambda _: display)
    async with OpspawnClient(api.url) as client:
        first = asyncio.create_task(watched.show(client))
        await asyncio.wait_for(display.tool_started.wait(), 10)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first

        ended = await watched.show(client)

    assert ended.status == "completed"
    resumed = [request.headers.get("last-event-id") for request in api.requests if request.path.endswith("/events")]
    assert (resumed[0], resumed[-1]) == (None, "p5")
    assert display.types.count("tool.started") == 1
    assert display.types[-1] == "task.completed"
