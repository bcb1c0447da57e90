"""A position in a task's events, as clients keep it: which task, which of its parts, which event of history."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from api.tasks.errors import PositionInvalid

__all__ = ["Position"]

_WRITTEN = re.compile(r"([0-9a-f]{12})\.([0-9a-f]{32})\.([1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class Position:
    """Names an event for good: history never changes, so after it always come the same events."""

    run_id: str
    """Temporal's id of the part: a task that continues as new has several."""
    event_id: int
    """Of the event in history, from 1."""
    index: int
    """Place among the events that one event of history tells of, from 0."""

    def encode(self, task_id: str) -> str:
        """Return it as text that is good for this task only; ASCII, for a header."""
        return f"{_mark(task_id)}.{UUID(self.run_id).hex}.{self.event_id}.{self.index}"

    @classmethod
    def decode(cls, text: str, task_id: str) -> Self:
        """Read it back.

        Raises:
            PositionInvalid: it isn't one, or of another task.
        """
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise PositionInvalid("This isn't a position. Pass the `id` of an event of this task, unchanged.")
        mark, run_id, event_id, index = found.groups()
        if mark != _mark(task_id):
            raise PositionInvalid("This position is one of another task. Pass the `id` of an event of this task.")
        return cls(str(UUID(run_id)), int(event_id), int(index))


def _mark(task_id: str) -> str:
    return hashlib.sha256(task_id.encode(errors="surrogatepass")).hexdigest()[:12]
