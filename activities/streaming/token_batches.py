"""Token deltas of one model response: the batches that carry them, and the buffer that keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from agentkit.interfaces import ModelDelta

__all__ = ["BatchKind", "ResponseId", "TokenBatch", "TokenBuffer", "joined"]

BatchKind = Literal["continue", "start", "restart"]
"""What a batch follows: the batch before it; nothing, as the first of its response; or nothing, and subscribers discard
the deltas of this step that they have."""

_MAX_UNJOINED_DELTAS = 256
"""A buffer joins its newest deltas when it has as many, so that its memory is close to that of the text."""


@dataclass(frozen=True, slots=True)
class ResponseId:
    """Identifies a model response: one attempt of one model activity."""

    task_id: str
    run_id: str
    activity_id: str
    attempt: int
    """From 1."""
    step: int


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Successive deltas of a response."""

    response: ResponseId
    kind: BatchKind
    deltas: tuple[ModelDelta, ...]
    last: bool = False
    """Whether the response is complete with this batch."""


class TokenBuffer:
    """All deltas of a response so far."""

    def __init__(self) -> None:
        self._joined: list[ModelDelta] = []
        self._newest: list[ModelDelta] = []
        self.chars = 0

    def append(self, delta: ModelDelta) -> None:
        """Add the next delta."""
        self.chars += len(delta.text)
        self._newest.append(delta)
        if len(self._newest) == _MAX_UNJOINED_DELTAS:
            self._joined += joined(self._newest)
            self._newest.clear()

    def deltas(self) -> tuple[ModelDelta, ...]:
        """Return all text in order, as few deltas."""
        return joined([*self._joined, *self._newest])


def joined(deltas: Iterable[ModelDelta]) -> tuple[ModelDelta, ...]:
    """Return the same text, with neighbours of one kind joined into one delta."""
    return tuple(
        ModelDelta(kind, "".join(delta.text for delta in neighbours))
        for kind, neighbours in groupby(deltas, lambda delta: delta.kind)
    )
