"""An event: what happened to a task and when, and its position in the task's history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, get_args

from pydantic import JsonValue
from pydantic_core import to_json

from api.events.event_position import Position

__all__ = ["EVENT_TYPES", "LIVE_TYPES", "Event", "EventType", "LiveType"]

LiveType = Literal["model.delta", "model.reset", "model.retrying", "tool.retrying", "tool.progress"]
"""Types of events that only current watchers get. They have no position."""

EventType = Literal[
    "task.started",
    "task.status",
    "task.completed",
    "task.failed",
    "task.cancelled",
    "model.started",
    "model.delta",
    "model.reset",
    "model.retrying",
    "model.completed",
    "model.failed",
    "plan.updated",
    "context.compacted",
    "input.requested",
    "input.answered",
    "input.rejected",
    "message.received",
    "limits.raised",
    "memory.recalled",
    "tool.started",
    "tool.retrying",
    "tool.progress",
    "tool.completed",
    "tool.failed",
    "tool.interrupted",
]

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
LIVE_TYPES: tuple[LiveType, ...] = get_args(LiveType)


@dataclass(frozen=True)
class Event:
    """Something that happened to a task."""

    type: EventType
    task_id: str
    at: datetime
    data: Mapping[str, JsonValue]
    """The fields of its type, as in docs/reference/events.md."""
    step: int | None = None
    position: Position | None = None
    """Where a stream resumes after this event; None for live events."""

    @cached_property
    def id(self) -> str | None:
        """The position as clients get it, made once for all watchers; None for live events."""
        return None if self.position is None else self.position.encode(self.task_id)

    @cached_property
    def json(self) -> bytes:
        """The event as one line of JSON, without its position; made once for all watchers."""
        step = {} if self.step is None else {"step": self.step}
        return to_json({"type": self.type, "task_id": self.task_id, "at": self.at, **step, **self.data})
