"""The position of an event: what clients pass to resume a stream after it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from api.tasks.errors import PositionInvalid

__all__ = ["Position"]

_ENCODED = re.compile(r"([0-9a-f]{12})\.([0-9a-f]{32})\.([1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class Position:
    """Identifies an event for good: history never changes, so the same events follow it each time."""

    run_id: str
    """Temporal's id of the run; a task that continues as new has several runs."""
    event_id: int
    """Id of the history event, from 1."""
    index: int
    """Among the events that are mapped from this history event, from 0."""

    def encode(self, task_id: str) -> str:
        """Return the position as text that is valid for this task only; printable ASCII, for use in a header."""
        return f"{_task_digest(task_id)}.{UUID(self.run_id).hex}.{self.event_id}.{self.index}"

    @classmethod
    def decode(cls, text: str, task_id: str) -> Self:
        """Return the position that ``encode`` wrote.

        Raises:
            PositionInvalid: the text is no position, or one of another task.
        """
        match = _ENCODED.fullmatch(text)
        if match is None:
            raise PositionInvalid("This isn't a position. Pass the `id` of an event of this task, unchanged.")
        task_digest, run_id, event_id, index = match.groups()
        if task_digest != _task_digest(task_id):
            raise PositionInvalid("This position is one of another task. Pass the `id` of an event of this task.")
        return cls(str(UUID(run_id)), int(event_id), int(index))


def _task_digest(task_id: str) -> str:
    return hashlib.sha256(task_id.encode(errors="surrogatepass")).hexdigest()[:12]
