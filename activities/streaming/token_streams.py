"""Pass on what models say as they say it, to whoever listens; never in a model's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, Protocol

from agentkit.interfaces import Emit, ModelDelta

__all__ = ["AnswerId", "Answers", "Deltas", "Listener", "NoDeltas", "Piece", "Said", "Start"]

Start = Literal["on", "new", "again"]
"""Where a piece begins: after the one before; at the beginning of the answer; or there once more, because what was
passed on of this step doesn't count."""

_PACE = 0.0004
"""Seconds from one piece of an answer to its next, for each answer under way: it bounds the pieces a second."""
_FASTEST = 0.005
_SLOWEST = 0.025
"""Seconds between two pieces of an answer at the least and at the most; the first goes at once."""
_TICK = 0.003
"""Seconds from one batch to the next, at the least."""
_MOST_WAITING = 65_536
"""Characters of an answer that wait for one listener; then it is told from its beginning again, once it listens."""
_MOST_BATCH = 262_144
"""Characters after which a batch takes no more pieces."""
_MOST = 1_048_576
"""Characters of an answer that is passed on; models are cut off at as many."""
_COMPACT = 256
"""Deltas that are kept one by one before they are joined."""
_SETTLING = 0.05
"""Seconds that a finished answer may take to reach those who listen, before the workflow gets it."""


@dataclass(frozen=True, slots=True)
class AnswerId:
    """Which answer of which model call."""

    task_id: str
    run_id: str
    activity_id: str
    attempt: int
    step: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of an answer."""

    answer: AnswerId
    start: Start
    deltas: tuple[ModelDelta, ...]
    last: bool = False
    """Whether the answer is complete with it."""


class Deltas(Protocol):
    """Where deltas go."""

    def telling(self, answer: AnswerId) -> AbstractAsyncContextManager[Emit | None]:
        """Return a block in which a model answers, and what takes its deltas; None: nobody would ever hear them."""
        ...


class NoDeltas:
    """Nobody ever listens."""

    @asynccontextmanager
    async def telling(self, answer: AnswerId) -> AsyncIterator[Emit | None]:
        """Take nothing."""
        yield None


class Said:
    """What was said of an answer so far."""

    def __init__(self) -> None:
        self._joined: list[ModelDelta] = []
        self._recent: list[ModelDelta] = []
        self.size = 0
        """Characters."""

    def add(self, delta: ModelDelta) -> None:
        """Add what was said next."""
        self.size += len(delta.text)
        self._recent.append(delta)
        if len(self._recent) == _COMPACT:
            self._joined += _joined(self._recent)
            self._recent.clear()

    def whole(self) -> tuple[ModelDelta, ...]:
        """Return all of it, in as few deltas as can be."""
        return _joined([*self._joined, *self._recent])


class _Answer:
    """An answer under way."""

    def __init__(self, name: AnswerId) -> None:
        self.name = name
        self.said = Said()
        self.overlong = False
        self.ways: list[_Way] = []

    def add(self, delta: ModelDelta) -> None:
        """Take a delta: this is what models call, so it does next to nothing."""
        if self.overlong or self.said.size + len(delta.text) > _MOST:
            self.overlong = True
            self.ways = []
            return
        self.said.add(delta)
        for way in self.ways:
            way.add(delta)

    async def end(self) -> None:
        """Have the rest passed on, as far as that takes no time to speak of."""
        taken = [way.finish() for way in self.ways if way.start != "new" or self.said.size]
        if taken:
            await asyncio.wait(taken, timeout=_SETTLING)


class Answers:
    """The answers under way in this process. All of it happens on one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[str, list[_Answer]] = {}
        self.listeners: set[Listener] = set()

    @asynccontextmanager
    async def telling(self, answer: AnswerId) -> AsyncIterator[Emit]:
        """Keep what is said while the block lasts, and pass it on to those who watch the task."""
        telling = _Answer(answer)
        self._under_way.setdefault(answer.task_id, []).append(telling)
        for listener in self.listeners:
            listener.begun(telling)
        try:
            yield telling.add
            await telling.end()
        finally:
            for way in telling.ways:
                way.listener.forget(answer)
            under_way = self._under_way[answer.task_id]
            under_way.remove(telling)
            if not under_way:
                del self._under_way[answer.task_id]

    @property
    def under_way(self) -> int:
        """How many tasks have answers under way."""
        return len(self._under_way)

    def of(self, task_id: str) -> Sequence[_Answer]:
        """Return the answers under way in a task."""
        return self._under_way.get(task_id, ())


class Listener:
    """One who hears the answers of the tasks that it watches, in batches, at its own pace."""

    def __init__(self, answers: Answers) -> None:
        """Listen until closed."""
        self._answers = answers
        self._watched: set[str] = set()
        self._waiting: dict[AnswerId, _Way] = {}
        self._news = asyncio.Event()
        self._number = 0
        self._untaken: dict[int, list[asyncio.Future[None]]] = {}
        self._not_before = 0.0
        answers.listeners.add(self)

    def watch(self, task_id: str) -> None:
        """Hear a task's answers from now on; what is under way from its beginning, even when watched already."""
        self.unwatch(task_id)
        self._watched.add(task_id)
        for answer in self._answers.of(task_id):
            self.begun(answer)

    def unwatch(self, task_id: str) -> None:
        """Hear no more of a task."""
        self._watched.discard(task_id)
        for answer in self._answers.of(task_id):
            answer.ways = [way for way in answer.ways if way.listener is not self]
            self.forget(answer.name)

    def begun(self, answer: _Answer) -> None:
        """Hear an answer, if its task is watched."""
        if answer.name.task_id in self._watched and not answer.overlong:
            again = bool(answer.said.size) or answer.name.attempt > 1
            way = _Way(self, answer, "again" if again else "new")
            answer.ways.append(way)
            if again:
                self.expect(way)

    def expect(self, way: _Way) -> None:
        """Take note that there is something to pass on."""
        self._waiting[way.answer.name] = way
        self._news.set()

    def forget(self, answer: AnswerId) -> None:
        """Pass on no more of an answer."""
        way = self._waiting.pop(answer, None)
        if way is not None and way.taken is not None:
            way.taken.cancel()

    async def batch(self) -> tuple[int, list[Piece]]:
        """Wait until there is something to pass on; return it, with its number."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._not_before - loop.time())
        while True:
            if not self._waiting:
                self._news.clear()
            await self._news.wait()
            if pieces := self._due(loop.time()):
                self._not_before = loop.time() + _TICK
                return self._number, pieces
            await asyncio.sleep(_TICK)

    def confirm(self, number: int) -> None:
        """Take note that all batches up to this one have been taken."""
        for older in [one for one in self._untaken if one <= number]:
            for taken in self._untaken.pop(older):
                if not taken.done():
                    taken.set_result(None)

    def close(self) -> None:
        """Listen no more."""
        self._answers.listeners.discard(self)
        for task_id in [*self._watched]:
            self.unwatch(task_id)
        self.confirm(self._number)

    def _due(self, now: float) -> list[Piece]:
        due: list[_Way] = []
        size = 0
        for way in self._waiting.values():
            if way.due <= now and size <= _MOST_BATCH:
                due.append(way)
                size += way.size
        for way in due:
            del self._waiting[way.answer.name]
        self._number += bool(due)
        if last := [way.taken for way in due if way.taken is not None]:
            self._untaken[self._number] = last
        next_due = now + min(max(_FASTEST, _PACE * self._answers.under_way), _SLOWEST)
        return [way.take(next_due) for way in due]


class _Way:
    """What is to be passed on of one answer to one listener: bounded, for a listener may be slow."""

    def __init__(self, listener: Listener, answer: _Answer, start: Start) -> None:
        self.listener = listener
        self.answer = answer
        self.start: Start = start
        self.due = 0.0
        self.taken: asyncio.Future[None] | None = None
        self._deltas: list[ModelDelta] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Characters that the next piece will have."""
        return self._size if self.start == "on" else self.answer.said.size

    def add(self, delta: ModelDelta) -> None:
        """Take a delta."""
        if self.start == "on":
            self._deltas.append(delta)
            self._size += len(delta.text)
            if self._size > _MOST_WAITING:
                self._deltas, self._size, self.start = [], 0, "again"
        self.listener.expect(self)

    def finish(self) -> asyncio.Future[None]:
        """Have the last piece passed on at once; return what is done when it has arrived."""
        self.due = 0.0
        self.taken = asyncio.get_running_loop().create_future()
        self.listener.expect(self)
        return self.taken

    def take(self, next_due: float) -> Piece:
        """Return the next piece; the one after it is due then."""
        deltas = _joined(self._deltas) if self.start == "on" else self.answer.said.whole()
        piece = Piece(self.answer.name, self.start, deltas, last=self.taken is not None)
        self._deltas, self._size, self.start, self.due = [], 0, "on", next_due
        return piece


def _joined(deltas: Iterable[ModelDelta]) -> tuple[ModelDelta, ...]:
    return tuple(
        ModelDelta(kind, "".join(delta.text for delta in run))
        for kind, run in groupby(deltas, lambda delta: delta.kind)
    )
