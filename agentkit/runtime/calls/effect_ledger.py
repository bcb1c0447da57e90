"""The effect ledger: what became of each tool call of a task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from agentkit.input_requests import arguments_sha256
from agentkit.messages import ToolCall
from agentkit.records import Record
from agentkit.specs import Effect, ToolSpec

__all__ = ["CallState", "EffectLedger", "LedgerEntry"]

CallState = Literal["proposed", "refused", "awaiting_approval", "started", "done", "failed", "not_done", "unknown"]
"""``failed``: the tool itself reported an error. ``not_done``: it is proved that the call had no effect. ``unknown``:
the call was cut off, and may have had its effect."""

_ENDED: frozenset[CallState] = frozenset({"refused", "done", "failed", "not_done", "unknown"})

_MAX_OTHERS_CARRIED = 100


class LedgerEntry(Record):
    """One tool call: its state, who decided on it, and when."""

    call_id: str
    tool: str
    effect: Effect | None = None
    """None where the agent has no such tool."""
    state: CallState
    step: int
    idempotency_key: str
    """``{task_id}/{call_id}``."""
    attempts: int = 0
    """How many times the call was scheduled: more than once only for a call that a person has decided to repeat.
    Temporal's own retries of pure and idempotent calls are not counted."""
    arguments_sha256: str
    """SHA-256 of the arguments as JSON with sorted keys, in hexadecimal."""
    decided_by: str | None = None
    """What allowed or refused the call, or settled its outcome, such as ``policy``, ``probe`` or ``person: ada``."""
    proposed_at: datetime
    started_at: datetime | None = None
    """When it was scheduled last."""
    ended_at: datetime | None = None


class EffectLedger:
    """The entries of one task, in the order of its calls."""

    def __init__(self, task_id: str, entries: Sequence[LedgerEntry] = ()) -> None:
        self._task_id = task_id
        self._entries = {entry.call_id: entry for entry in entries}
        self._current: dict[str, str] = {}
        """By the id of a model's call that was continued: the id of the newest entry."""

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """All entries, oldest first."""
        return tuple(self._entries.values())

    def newest(self, call_id: str) -> LedgerEntry | None:
        """Return the entry of a model's call, or that of the newest call that continues it."""
        return self._entries.get(self._current.get(call_id, call_id))

    def carried(self) -> tuple[LedgerEntry, ...]:
        """Return the entries that survive continue-as-new: of irreversible calls all, of the others the newest 100."""
        others = [entry.call_id for entry in self._entries.values() if entry.effect != "irreversible"]
        dropped = set(others[:-_MAX_OTHERS_CARRIED])
        return tuple(entry for entry in self._entries.values() if entry.call_id not in dropped)

    def propose(self, call: ToolCall, tool: ToolSpec | None, step: int, at: datetime) -> None:
        """Add the entry of a call that the model asks for."""
        self._entries[call.id] = LedgerEntry(
            call_id=call.id,
            tool=call.name,
            effect=None if tool is None else tool.effect,
            state="proposed",
            step=step,
            idempotency_key=f"{self._task_id}/{call.id}",
            arguments_sha256=arguments_sha256(call.arguments),
            proposed_at=at,
        )

    def propose_continuation(self, call: ToolCall, tool: ToolSpec, step: int, at: datetime) -> ToolCall:
        """Add the entry of a call that continues one of the model's; return that call, which has an id of its own.

        What is recorded for the model's call from now on goes to the new entry.
        """
        number = 2
        while (further_id := f"{call.id}.{number}") in self._entries:
            number += 1
        further = call.model_copy(update={"id": further_id})
        self.propose(further, tool, step, at)
        self._current[call.id] = further_id
        return further

    def start(self, call_id: str, at: datetime) -> None:
        """Record that a call is scheduled."""
        attempts = self._entries[self._current.get(call_id, call_id)].attempts + 1
        self._update(call_id, state="started", attempts=attempts, started_at=at, ended_at=None)

    def change_arguments(self, call: ToolCall) -> None:
        """Record that a person has changed a call's arguments."""
        self._update(call.id, arguments_sha256=arguments_sha256(call.arguments))

    def record(self, call_id: str, state: CallState, at: datetime, decided_by: str | None = None) -> None:
        """Record a call's new state, and what decided on it."""
        changes: dict[str, object] = {"state": state}
        if state in _ENDED:
            changes["ended_at"] = at
        if decided_by is not None:
            changes["decided_by"] = decided_by
        self._update(call_id, **changes)

    def _update(self, call_id: str, **changes: object) -> None:
        entry_id = self._current.get(call_id, call_id)
        self._entries[entry_id] = self._entries[entry_id].model_copy(update=changes)
