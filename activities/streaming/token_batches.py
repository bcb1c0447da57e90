"""Token deltas of one model response: the batches that carry them, and the buffer that keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from agentkit.interfaces import ModelDelta

__all__ = ["BatchKind", "ResponseId", "TokenBatch", "TokenBuffer", "joined"]

BatchKind = Literal["continue", "start", "restart"]
"""How a subscriber handles a batch: append it to the batch before; start a response with it; or discard the deltas of
this step that it has, and start the response again with it."""

_MAX_UNJOINED_DELTAS = 256
"""A buffer joins its newest deltas when it has as many, so that its memory is close to that of the text."""


@dataclass(frozen=True, slots=True)
class ResponseId:
    """Identifies a model response: one attempt of one model activity."""

    task_id: str
    run_id: str
    activity_id: str
    attempt: int
    """Number of the attempt, from 1."""
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
    """Collects the deltas of one response, for subscribers that join while it is in progress."""

    def __init__(self) -> None:
        self._joined: list[ModelDelta] = []
        self._newest: list[ModelDelta] = []
        self.chars = 0
        """Characters of all deltas so far."""

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
