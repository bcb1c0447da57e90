"""What models are saying in a task right now: kept once for all who watch it, and told in step with history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from activities.streaming.token_streams import AnswerId, Piece, Said
from agentkit.interfaces import ModelDelta
from api.events.event import Event
from api.events.scheduled_calls import AskedModel, CalledTool

__all__ = ["SPOKEN", "Speech"]

SPOKEN = frozenset({"model.delta", "model.reset"})
"""Types of events that make sense only to those who have heard the answer from its beginning."""
_MOST_EARLY = 4
"""Answers that are kept though history hasn't told yet that they were asked for."""

_Call = tuple[str, str]
"""Ids of the part and of the activity."""


@dataclass(slots=True)
class _Answer:
    name: AnswerId
    again: bool
    """Whether watchers are to forget what they were told of the step."""
    said: Said = field(default_factory=Said)


class Speech:
    """Puts what workers send among the durable events: between ``model.started`` of its call and that call's end."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        """Have ``tell`` called with what is for those who listen already."""
        self._tell = tell
        self._pending: Mapping[str, AskedModel | CalledTool] = {}
        self._asked: set[_Call] = set()
        self._over: set[_Call] = set()
        self._answers: dict[_Call, _Answer] = {}

    def note(self, run_id: str, pending: Mapping[str, AskedModel | CalledTool]) -> None:
        """Take which calls history has told of, and of no end of them."""
        if pending is self._pending:
            return
        self._pending = pending
        asked = {(run_id, one) for one, call in pending.items() if isinstance(call, AskedModel)}
        for call in self._asked - asked:
            self._over.add(call)
            self._answers.pop(call, None)
        begun, self._asked = asked - self._asked, asked
        for call in begun & self._answers.keys():
            answer = self._answers[call]
            self._say(answer, answer.said.whole(), again=answer.again)

    def hear(self, piece: Piece) -> None:
        """Take what a worker sends. What comes too late, or without its beginning, is dropped."""
        call = piece.answer.run_id, piece.answer.activity_id
        before = self._answers.get(call)
        if call in self._over or (before is not None and before.name.attempt > piece.answer.attempt):
            return
        if piece.start == "on":
            if before is None or before.name != piece.answer:
                return
            answer, again = before, False
        else:
            again = piece.start == "again" or (before is not None and before.said.size > 0)
            answer = self._begin(call, _Answer(piece.answer, again))
        for delta in piece.deltas:
            answer.said.add(delta)
        if call in self._asked:
            self._say(answer, piece.deltas, again=again)

    def current(self) -> Sequence[Event]:
        """Return what was said so far, for who has just come."""
        answers = (self._answers[call] for call in self._asked & self._answers.keys())
        return [
            event for answer in answers if answer.said.size for event in _told(answer, answer.said.whole(), again=True)
        ]

    def _begin(self, call: _Call, answer: _Answer) -> _Answer:
        self._answers[call] = answer
        early = [one for one in self._answers if one not in self._asked]
        for one in early[:-_MOST_EARLY]:
            del self._answers[one]
        return answer

    def _say(self, answer: _Answer, deltas: Iterable[ModelDelta], *, again: bool) -> None:
        for event in _told(answer, deltas, again=again):
            self._tell(event)


def _told(answer: _Answer, deltas: Iterable[ModelDelta], *, again: bool) -> list[Event]:
    now, task_id, step = datetime.now(UTC), answer.name.task_id, answer.name.step
    reset = [Event("model.reset", task_id, now, {}, step)] if again else []
    return [
        *reset,
        *(Event("model.delta", task_id, now, {"kind": one.kind, "text": one.text}, step) for one in deltas if one.text),
    ]
