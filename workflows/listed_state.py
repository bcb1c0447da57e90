"""A task's status and input requests where lists read them: search attributes, and a memo key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from agentkit.input_requests import InputRequest
    from workflows.search_attributes import INPUT, INPUT_SINCE, STATUS
    from workflows.task_types import RunningStatus

__all__ = ["ListedState", "listed_requests"]

_MAX_ARGUMENTS_BYTES = 2_000
"""Of one request in the memo, which lists and the inbox read."""
_MAX_LISTED = 20
"""Requests in the memo; further ones follow when these are answered."""


class ListedState:
    """What lists show of a running task; it is updated where it changes."""

    def __init__(self, *, is_paused: bool = False) -> None:
        """Set up; a task that continues as new may be paused."""
        self._is_paused = is_paused
        self._pending: Sequence[InputRequest] = ()
        self._listed: tuple[RunningStatus, tuple[str, ...]] = ("paused" if is_paused else "running", ())

    @property
    def status(self) -> RunningStatus:
        """The status: ``paused`` comes before ``waiting``."""
        if self._is_paused:
            return "paused"
        return "waiting" if self._pending else "running"

    def set_paused(self, *, is_paused: bool) -> None:
        """List the task as paused, or no longer."""
        self._is_paused = is_paused
        self._update()

    def set_pending(self, pending: Sequence[InputRequest]) -> None:
        """List the task with these pending requests."""
        self._pending = pending
        self._update()

    def _update(self) -> None:
        words = _words(self._pending)
        if (self.status, words) == self._listed:
            return
        updates: list[SearchAttributeUpdate[Any]] = []
        if self.status != self._listed[0]:
            updates.append(STATUS.value_set(self.status))
        if words != self._listed[1]:
            since = min((request.opened_at for request in self._pending), default=None)
            updates.append(INPUT.value_set(words) if words else INPUT.value_unset())
            updates.append(INPUT_SINCE.value_unset() if since is None else INPUT_SINCE.value_set(since))
        self._listed = (self.status, words)
        workflow.upsert_search_attributes(updates)


def listed_requests(pending: Sequence[InputRequest]) -> list[InputRequest]:
    """Return the requests as the memo lists them: the oldest, without arguments and schemas that are long."""
    return [_bounded(request) for request in pending[:_MAX_LISTED]]


def _words(pending: Sequence[InputRequest]) -> tuple[str, ...]:
    """Return what the inbox finds requests by."""
    kinds = {f"kind:{request.kind}" for request in pending}
    approvers = {f"approver:{approver}" for request in pending for approver in request.approvers or ()}
    return (*sorted(kinds), *sorted(approvers))


def _bounded(request: InputRequest) -> InputRequest:
    if len(request.canonical_json()) <= _MAX_ARGUMENTS_BYTES:
        return request
    return request.model_copy(update={"arguments": None, "answer_schema": None})
