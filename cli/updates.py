"""What happens to a task, as it happens. Today by asking again and again; a stream of events can stand in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from agentkit.messages import Message
from cli.answers import Task
from cli.client import OpspawnClient
from cli.errors import ServerUnreachable

__all__ = ["Lost", "MessageAdded", "Regained", "TaskChanged", "Update", "follow", "submit", "wait"]

_T = TypeVar("_T")
_PAUSE = threading.Event()
"""Never set: waiting for it is a pause that Ctrl-C ends."""

_PATIENCE = 300.0
"""Seconds without an answer after which a command gives up; the task itself goes on."""
_FOLLOW_SECONDS = 1
"""How long one question waits for the task's end before the transcript is read again."""
_WAIT_SECONDS = 30
_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds before the next question to a server that didn't answer; the last one repeats."""


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """The task's status, steps or usage are other than before; the last one holds its end."""

    task: Task


@dataclass(frozen=True, slots=True)
class MessageAdded:
    """A message entered the transcript."""

    position: int
    message: Message


@dataclass(frozen=True, slots=True)
class Lost:
    """The server doesn't answer; it will be asked again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Regained:
    """The server answers again."""


Update = TaskChanged | MessageAdded | Lost | Regained


def submit(create: Callable[[], Task]) -> Task:
    """Start a task; when the connection breaks before the answer, ask again: the idempotency key makes that safe.

    Raises:
        ServerUnreachable: nothing was sent, or nothing answered for some seconds.
    """
    for pause in (*_PAUSES, *_PAUSES):
        try:
            return create()
        except ServerUnreachable as error:
            if not error.may_have_arrived:
                raise
        _PAUSE.wait(pause)
    return create()


def wait(client: OpspawnClient, task: Task) -> Iterator[Update]:
    """Yield until the task has ended; messages are left out."""
    while not task.ended:
        task = yield from _insist(partial(client.task, task.id, wait=_WAIT_SECONDS))
        _breathe(task)
    yield TaskChanged(task)


def follow(client: OpspawnClient, task: Task) -> Iterator[Update]:
    """Yield all that happens, from the first message until the task has ended."""
    position = 0
    yield TaskChanged(task)
    while not task.ended:
        for message in _messages(client, task.id, position):
            yield MessageAdded(position, message)
            position += 1
        latest = yield from _insist(partial(client.task, task.id, wait=_FOLLOW_SECONDS))
        if latest != task and not latest.ended:
            yield TaskChanged(latest)
        task = latest
        _breathe(task)
    for message in _last_messages(client, task.id, position):
        yield MessageAdded(position, message)
        position += 1
    yield TaskChanged(task)


def _breathe(task: Task) -> None:
    """Keep from asking without pause, should the server answer at once instead of waiting for the end."""
    if not task.ended:
        _PAUSE.wait(0.1)


def _insist(ask: Callable[[], _T]) -> Generator[Update, None, _T]:
    """Ask until there is an answer; yield when the server is lost, and when it is back.

    Raises:
        ServerUnreachable: there was none for ``_PATIENCE`` seconds.
    """
    lost_at: float | None = None
    attempt = 0
    while True:
        try:
            answer = ask()
        except ServerUnreachable as error:
            if not error.passing:
                raise
            if lost_at is None:
                lost_at = time.monotonic()
                yield Lost(str(error))
            elif time.monotonic() - lost_at > _PATIENCE:
                raise
        else:
            if lost_at is not None:
                yield Regained()
            return answer
        _PAUSE.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)])
        attempt += 1


def _messages(client: OpspawnClient, task_id: str, start: int) -> list[Message]:
    """Return the messages from ``start`` on; none when they can't be read now, as while no worker is up."""
    try:
        return list(client.transcript(task_id, start=start).messages)
    except ServerUnreachable:
        return []


def _last_messages(client: OpspawnClient, task_id: str, start: int) -> Iterator[Message]:
    """Yield what a task that has ended still has to tell, page by page."""
    for pause in (*_PAUSES, None):
        try:
            while messages := client.transcript(task_id, start=start).messages:
                yield from messages
                start += len(messages)
        except ServerUnreachable:
            if pause is not None:
                _PAUSE.wait(pause)
        else:
            return
