"""Share the events of tasks among all watchers: one feed per task, from its first watcher to its last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus

from activities.settings import Settings
from activities.streaming.token_batches import TokenBatch
from activities.temporal.client import temporal_address
from api.events.event import Event
from api.events.event_position import Position
from api.events.feed_subscriber import FeedSubscriber, each_event
from api.events.task_feed import PositionKey, TaskFeed
from api.events.task_history import TaskHistory
from api.tasks.errors import PositionInvalid, TaskNotFound, WatchInterrupted
from api.tasks.task_service import TaskService
from api.tasks.temporal_calls import calling_temporal

__all__ = ["EventHub", "PendingWatch", "TaskWatch", "WatchersChanged"]

WatchersChanged = Callable[[str, int], None]
"""Called with a task's id and its number of watchers. It returns at once and never raises."""


class EventHub:
    """The watched tasks of this process."""

    def __init__(self, client: Client, tasks: TaskService, settings: Settings) -> None:
        self._client = client
        self._tasks = tasks
        self._address = temporal_address(settings)
        self._feeds: dict[str, dict[str, TaskFeed]] = {}
        """Feeds by task id and first run id."""
        self._callbacks: list[WatchersChanged] = []
        self._stopping: set[asyncio.Task[None]] = set()

    async def watch(self, task_id: str, after: str | None = None) -> TaskWatch | PendingWatch:
        """Return a watch of a task's events: of all of them, or of those after a position.

        Raises:
            TaskNotFound: there is no task of this id.
            PositionInvalid: ``after`` is no position of this task.
        """
        position = None if after is None else Position.decode(after, task_id)
        newest = await self._tasks.describe_started(task_id)
        return PendingWatch(self, task_id) if newest is None else await self._watch(newest, position)

    async def watch_started(self, task_id: str) -> TaskWatch:
        """Return a watch of all events of a task, once it has started.

        Raises:
            TaskNotFound: it won't start any more.
        """
        return await self._watch(await self._tasks.until_started(task_id), None)

    async def _watch(self, newest: WorkflowExecutionDescription, position: Position | None) -> TaskWatch:
        task_id = newest.id
        history = TaskHistory(self._client, task_id)
        found_before = max((feed.run_ids for feed in self._feeds.get(task_id, {}).values()), key=len, default=[])
        async with calling_temporal(self._address, task_id):
            run_ids = await history.run_ids(newest, found_before)
        after_key: PositionKey = (0, 0, 0)
        if position is not None:
            if position.run_id not in run_ids:
                raise PositionInvalid("The task has no such run, or no longer. Watch from the start: pass no position.")
            after_key = (run_ids.index(position.run_id), position.event_id, position.index)
            if after_key[0] == len(run_ids) - 1 and position.event_id > newest.history_length:
                raise PositionInvalid(
                    "The task has no such event yet. Pass the `id` of an event of this task, unchanged."
                )
        ended = newest.status is not WorkflowExecutionStatus.RUNNING
        return TaskWatch(self, history, run_ids, newest.history_length, after_key, ended)

    def publish(self, event: Event) -> None:
        """Send a live event to all who watch its task now."""
        for feed in self._feeds.get(event.task_id, {}).values():
            feed.buffer.append(event)

    def on_batch(self, batch: TokenBatch) -> None:
        """Send a worker's token batch to all who watch its task now."""
        for feed in self._feeds.get(batch.response.task_id, {}).values():
            feed.tokens.on_batch(batch)

    @property
    def watched(self) -> frozenset[str]:
        """The ids of the tasks that are watched."""
        return frozenset(self._feeds)

    def on_watchers_changed(self, callback: WatchersChanged) -> None:
        """Call ``callback`` whenever a watcher joins or leaves."""
        self._callbacks.append(callback)

    async def aclose(self) -> None:
        """Stop all feeds; the watchers' streams are interrupted."""
        for feed in [feed for feeds in self._feeds.values() for feed in feeds.values()]:
            feed.interruption = "The server stops."
            self._stopping.update(feed.stop())
        await asyncio.gather(*self._stopping, return_exceptions=True)

    def join(self, watch: TaskWatch) -> TaskFeed:
        """Return the feed of a watch; the first watcher starts it."""
        feeds = self._feeds.setdefault(watch.task_id, {})
        feed = feeds.get(watch.run_ids[0])
        if feed is None or feed.interruption:
            feed = feeds[watch.run_ids[0]] = TaskFeed(watch.history, watch.run_ids, watch.length)
            feed.start()
        feed.add_runs(watch.run_ids)
        feed.watchers += 1
        self._notify(watch.task_id)
        return feed

    def leave(self, watch: TaskWatch, feed: TaskFeed) -> None:
        """Release a feed; the last watcher stops it."""
        feed.watchers -= 1
        feeds = self._feeds.get(watch.task_id, {})
        if not feed.watchers:
            for task in feed.stop():
                self._stopping.add(task)
                task.add_done_callback(self._stopping.discard)
            if feeds.get(watch.run_ids[0]) is feed:
                del feeds[watch.run_ids[0]]
        if not feeds:
            self._feeds.pop(watch.task_id, None)
        self._notify(watch.task_id)

    def _notify(self, task_id: str) -> None:
        watchers = sum(feed.watchers for feed in self._feeds.get(task_id, {}).values())
        for callback in self._callbacks:
            callback(task_id, watchers)


@dataclass(frozen=True, slots=True)
class PendingWatch:
    """One watcher's request for the events of a task that has not started: a turn whose message waits."""

    hub: EventHub
    task_id: str
    ended: ClassVar[bool] = False

    def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events of ``batches`` one by one; raise as it does. Close it."""
        return each_event(self.batches())

    async def batches(self) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the task's events once it has started, as ``TaskWatch`` does. Close it.

        Raises:
            WatchInterrupted: as of ``TaskWatch``, or the task won't start any more.
        """
        try:
            watch = await self.hub.watch_started(self.task_id)
        except TaskNotFound as error:
            raise WatchInterrupted("The task won't start: its conversation was deleted, or has ended.") from error
        async with aclosing(watch.batches()) as batches:
            async for batch in batches:
                yield batch


@dataclass(frozen=True, slots=True)
class TaskWatch:
    """One watcher's request for a task's events. Nothing is read before ``events`` is iterated."""

    hub: EventHub
    history: TaskHistory
    """Reads the task's history from Temporal."""
    run_ids: list[str]
    """All runs of the task, in order."""
    length: int
    """Number of history events of the newest run."""
    after: PositionKey
    """Position of the last event before the first one to yield."""
    ended: bool
    """Whether the task had ended when the watch began: then all its events exist."""

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self.history.task_id

    def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events of ``batches`` one by one; raise as it does. Close it."""
        return each_event(self.batches())

    async def batches(self) -> AsyncGenerator[Sequence[Event], None]:
        """Yield each durable event once, in order, and live ones in between, until the task's last. Close it.

        A batch has all events that are there, so that they are sent at once.

        Raises:
            WatchInterrupted: the watcher is too slow, or the task can't be followed; resume after the last event.
        """
        feed = self.hub.join(self)
        try:
            async with aclosing(FeedSubscriber(feed, self.after).batches()) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self.hub.leave(self, feed)
