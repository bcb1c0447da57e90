"""What the front end refuses or can't do, whatever protocol it is asked by.

FrontEndError
├── TaskRefused           no task can be started from this
├── TaskNotFound          no such task
├── TaskEnded             too late: the task has ended
├── IdempotencyConflict   the key was used for another body
├── CursorInvalid         not a cursor of this list
├── PositionInvalid       not a position in this task's events
├── WatchInterrupted      a stream of events ends before its task does
├── WorkersSilent         only a worker could answer, and none did
├── TemporalUnreachable   Temporal doesn't answer
└── TemporalNotReady      Temporal answers, but isn't set up for this
"""

from __future__ import annotations

from agentkit.errors import OpspawnError

__all__ = [
    "CursorInvalid",
    "FrontEndError",
    "IdempotencyConflict",
    "PositionInvalid",
    "TaskEnded",
    "TaskNotFound",
    "TaskRefused",
    "TemporalNotReady",
    "TemporalUnreachable",
    "WatchInterrupted",
    "WorkersSilent",
]


class FrontEndError(OpspawnError):
    """Any of the above. ``str()`` is written for the person who asked."""


class TaskRefused(FrontEndError):
    """The agent, its model or the task's input can't be used; ``field`` names the one to mend."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class TaskNotFound(FrontEndError):
    """No workflow of our type has this id. It may have been erased: Temporal keeps ended tasks for a time only."""

    def __init__(self, task_id: str) -> None:
        shown = task_id if len(task_id) <= 80 else f"{task_id[:80]}…"
        super().__init__(f"There is no task {shown!r}.")


class TaskEnded(FrontEndError):
    """The task has ended, so nothing can be changed about it."""

    def __init__(self, task_id: str, status: str) -> None:
        super().__init__(f"Task {task_id!r} has ended already: it is {status}.")


class IdempotencyConflict(FrontEndError):
    """Take a new Idempotency-Key for a new task."""


class CursorInvalid(FrontEndError):
    """Pass ``next_cursor`` of the page before, unchanged and with the same filters."""


class PositionInvalid(FrontEndError):
    """Pass the ``id`` of an event of the same task, unchanged; or none, to see all events."""


class WatchInterrupted(FrontEndError):
    """Go on after the last event that came: nothing durable is lost. ``str()`` says why the stream ended."""


class WorkersSilent(FrontEndError):
    """Start a worker (``opspawn dev``, or ``python worker.py``), then ask again."""


class TemporalUnreachable(FrontEndError):
    """Start Temporal, or mend ``TEMPORAL_ADDRESS``; the front end connects by itself."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"Temporal doesn't answer at {address} ({reason}). Start it (`opspawn dev`) or set TEMPORAL_ADDRESS."
        )
        self.address = address


class TemporalNotReady(FrontEndError):
    """The namespace, its search attributes or the credentials are not as they should be; the message says which."""
