"""The tokens of a task's responses in progress: merged into its events, and kept for later watchers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from activities.streaming.token_batches import ResponseId, TokenBatch, TokenBuffer
from agentkit.interfaces import ModelDelta
from api.events.event import Event
from api.events.pending_calls import PendingCall, PendingModelCall

__all__ = ["TOKEN_EVENTS", "LiveTokens"]

TOKEN_EVENTS = frozenset({"model.delta", "model.reset"})
"""Types of events that are of use only to watchers that have got the response from its beginning."""

_MAX_EARLY_RESPONSES = 4
"""How many responses are kept whose model call is not pending yet: the relay may be faster than history."""

_CallKey = tuple[str, str]
"""Run id and activity id of a model call."""


@dataclass(slots=True)
class _Response:
    """A response in progress."""

    id: ResponseId
    reset: bool
    """Whether watchers are to discard the deltas of this step that they have."""
    buffer: TokenBuffer = field(default_factory=TokenBuffer)

    def events(self, deltas: Iterable[ModelDelta], *, reset: bool) -> list[Event]:
        """Return deltas as events, after a ``model.reset`` if asked for."""
        now, task_id, step = datetime.now(UTC), self.id.task_id, self.id.step
        resets = [Event("model.reset", task_id, now, {}, step)] if reset else []
        data = [{"kind": delta.kind, "text": delta.text} for delta in deltas if delta.text]
        return [*resets, *(Event("model.delta", task_id, now, each, step) for each in data)]


class LiveTokens:
    """Merges token deltas from workers into a task's event stream: after ``model.started``, before the call's end."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        """Pass each event to ``publish``."""
        self._publish = publish
        self._pending: Mapping[str, PendingCall] = {}
        self._pending_calls: set[_CallKey] = set()
        """The model calls among ``_pending``."""
        self._ended_calls: set[_CallKey] = set()
        self._responses: dict[_CallKey, _Response] = {}

    def update_pending(self, run_id: str, pending: Mapping[str, PendingCall]) -> None:
        """Set the calls that are scheduled and not yet finished."""
        if pending is self._pending:
            return
        self._pending = pending
        calls = {(run_id, activity_id) for activity_id, call in pending.items() if isinstance(call, PendingModelCall)}
        for ended in self._pending_calls - calls:
            self._ended_calls.add(ended)
            self._responses.pop(ended, None)
        started, self._pending_calls = calls - self._pending_calls, calls
        for call in started & self._responses.keys():
            response = self._responses[call]
            self._publish_all(response.events(response.buffer.deltas(), reset=response.reset))

    def on_batch(self, batch: TokenBatch) -> None:
        """Buffer and publish a batch. One that is later than its call's end, or lacks its beginning, is dropped."""
        call = batch.response.run_id, batch.response.activity_id
        response = self._responses.get(call)
        if call in self._ended_calls or (response is not None and response.id.attempt > batch.response.attempt):
            return
        if batch.kind == "continue":
            if response is None or response.id != batch.response:
                return
            reset = False
        else:
            reset = batch.kind == "restart" or (response is not None and response.buffer.chars > 0)
            response = self._start(call, _Response(batch.response, reset))
        for delta in batch.deltas:
            response.buffer.append(delta)
        if call in self._pending_calls:
            self._publish_all(response.events(batch.deltas, reset=reset))

    def current(self) -> Sequence[Event]:
        """Return all deltas of the responses in progress, for new watchers."""
        return [
            event
            for call in self._pending_calls & self._responses.keys()
            if (response := self._responses[call]).buffer.chars
            for event in response.events(response.buffer.deltas(), reset=True)
        ]

    def _start(self, call: _CallKey, response: _Response) -> _Response:
        self._responses[call] = response
        early = [each for each in self._responses if each not in self._pending_calls]
        for each in early[:-_MAX_EARLY_RESPONSES]:
            del self._responses[each]
        return response

    def _publish_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._publish(event)
