"""Share what happens to tasks among all who watch them: one feed for a task, from its first watcher to its last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecutionStatus

from activities.settings import Settings
from activities.streaming.token_streams import Piece
from activities.temporal.client import temporal_address
from api.events.event import Event
from api.events.event_position import Position
from api.events.subscriber import Reader
from api.events.task_feed import Feed, Place
from api.events.task_history import TaskHistory
from api.tasks.errors import PositionInvalid
from api.tasks.task_service import TaskService
from api.tasks.temporal_calls import asking

__all__ = ["Hub", "Watch", "WatchersChanged"]

WatchersChanged = Callable[[str, int], None]
"""Takes a task's id, and how many watch it now. It returns at once and never raises."""


class Hub:
    """The watched tasks of this process."""

    def __init__(self, client: Client, tasks: TaskService, settings: Settings) -> None:
        self._client = client
        self._tasks = tasks
        self._address = temporal_address(settings)
        self._feeds: dict[str, dict[str, Feed]] = {}
        self._listeners: list[WatchersChanged] = []
        self._winding_up: set[asyncio.Task[None]] = set()

    async def watch(self, task_id: str, after: str | None = None) -> Watch:
        """Return the events of a task: all of them, or those after a position.

        Raises:
            TaskNotFound: there is no task of this id.
            PositionInvalid: ``after`` is no position of this task.
        """
        position = None if after is None else Position.decode(after, task_id)
        newest = await self._tasks.describe(task_id)
        history = TaskHistory(self._client, task_id)
        known = max((feed.parts for feed in self._feeds.get(task_id, {}).values()), key=len, default=[])
        async with asking(self._address, task_id):
            parts = await history.parts(newest, known)
        cursor: Place = (0, 0, 0)
        if position is not None:
            if position.run_id not in parts:
                raise PositionInvalid("This part of the task is gone, or never was. Watch from the start: no position.")
            cursor = (parts.index(position.run_id), position.event_id, position.index)
            if cursor[0] == len(parts) - 1 and position.event_id > newest.history_length:
                raise PositionInvalid("The task hasn't come so far. Pass the `id` of an event of this task, unchanged.")
        return Watch(
            self, history, parts, newest.history_length, cursor, newest.status is not WorkflowExecutionStatus.RUNNING
        )

    def inject(self, event: Event) -> None:
        """Tell all who watch the event's task now of something that doesn't stand in history."""
        for feed in self._feeds.get(event.task_id, {}).values():
            feed.log.append(event)

    def hear(self, piece: Piece) -> None:
        """Tell all who watch the task now what a model says."""
        for feed in self._feeds.get(piece.answer.task_id, {}).values():
            feed.speech.hear(piece)

    @property
    def watched(self) -> frozenset[str]:
        """The ids of the tasks that somebody watches."""
        return frozenset(self._feeds)

    def listen(self, changed: WatchersChanged) -> None:
        """Have ``changed`` called whenever a watcher comes or goes."""
        self._listeners.append(changed)

    async def aclose(self) -> None:
        """Stop following; who still watches is told that the stream was interrupted."""
        for feed in [feed for feeds in self._feeds.values() for feed in feeds.values()]:
            feed.broken = "The server stops."
            self._winding_up.update(feed.stop())
        await asyncio.gather(*self._winding_up, return_exceptions=True)

    def join(self, watch: Watch) -> Feed:
        """Return the feed of a watch; the first watcher starts it."""
        feeds = self._feeds.setdefault(watch.task_id, {})
        feed = feeds.get(watch.parts[0])
        if feed is None or feed.broken:
            feed = feeds[watch.parts[0]] = Feed(watch.history, watch.parts, watch.length)
            feed.start()
        feed.learn(watch.parts)
        feed.watchers += 1
        self._say(watch.task_id)
        return feed

    def leave(self, watch: Watch, feed: Feed) -> None:
        """Give a feed back; the last watcher stops it."""
        feed.watchers -= 1
        feeds = self._feeds.get(watch.task_id, {})
        if not feed.watchers:
            for task in feed.stop():
                self._winding_up.add(task)
                task.add_done_callback(self._winding_up.discard)
            if feeds.get(watch.parts[0]) is feed:
                del feeds[watch.parts[0]]
        if not feeds:
            self._feeds.pop(watch.task_id, None)
        self._say(watch.task_id)

    def _say(self, task_id: str) -> None:
        watchers = sum(feed.watchers for feed in self._feeds.get(task_id, {}).values())
        for changed in self._listeners:
            changed(task_id, watchers)


@dataclass(frozen=True, slots=True)
class Watch:
    """What one watcher is to see. Nothing is followed before its events are asked for."""

    hub: Hub
    history: TaskHistory
    parts: list[str]
    length: int
    """How many events of history the newest part had."""
    after: Place
    ended: bool
    """Whether the task had ended when the watch began: then all its events are there."""

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self.history.task_id

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield each durable event once, in order, and live ones as they come, until the task's last. Close it.

        Raises:
            WatchInterrupted: the watcher is too slow, or the task can't be followed; go on after the last event.
        """
        feed = self.hub.join(self)
        try:
            async with aclosing(Reader(feed, self.after).events()) as events:
                async for event in events:
                    yield event
        finally:
            self.hub.leave(self, feed)
