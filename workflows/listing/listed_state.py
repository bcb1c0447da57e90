"""A task's status and input requests where lists read them: search attributes, and a memo key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from agentkit.input_requests import InputRequest
    from workflows.search_attributes import (
        ANY_APPROVER,
        INPUT,
        INPUT_SINCE,
        MAX_LISTED_REQUESTS,
        STATUS,
        STEPS,
        input_term,
    )
    from workflows.task_types import RunningStatus

__all__ = ["ListedState", "listed_requests"]

_MAX_ARGUMENTS_BYTES = 2_000
"""Of one request in the memo, which lists and the inbox read."""
_MAX_TERMS_BYTES = 2_000
"""Bytes of JSON; Temporal takes 2 KiB for the value of a search attribute."""


class ListedState:
    """What lists show of a running task; it is updated where it changes."""

    def __init__(
        self, *, is_paused: bool = False, is_queued: bool = False, pending: Sequence[InputRequest] = ()
    ) -> None:
        """Set up; a task that continues as new may be paused, and have pending requests: lists show that already.

        One whose time has not come is queued.
        """
        self._is_paused = is_paused
        self._is_queued = is_queued
        self._pending = pending
        self._listed_status: RunningStatus = self.status
        self._listed_terms = _inbox_terms(pending)
        self._listed_since = _oldest(pending)
        self._waits_since = workflow.now() if pending else None
        self.waited = timedelta()
        """How long requests have been pending, up to the last time that none was."""

    @property
    def status(self) -> RunningStatus:
        """The status: ``paused`` comes before ``waiting``."""
        if self._is_paused:
            return "paused"
        if self._is_queued:
            return "queued"
        return "waiting" if self._pending else "running"

    def set_started(self, steps: int) -> None:
        """List the task as started, in its first step."""
        self._is_queued = False
        self._listed_status = self.status  # a signal may have paused the task before it starts
        workflow.upsert_search_attributes([STATUS.value_set(self.status), STEPS.value_set(steps)])

    def set_paused(self, *, is_paused: bool) -> None:
        """List the task as paused, or no longer."""
        self._is_paused = is_paused
        self._update()

    def set_pending(self, pending: Sequence[InputRequest]) -> None:
        """List the task with these pending requests."""
        if self._waits_since is None:
            self._waits_since = workflow.now() if pending else None
        elif not pending:
            self.waited += workflow.now() - self._waits_since
            self._waits_since = None
        self._pending = pending
        self._update()

    def _update(self) -> None:
        terms = _inbox_terms(self._pending)
        since = _oldest(self._pending)
        updates: list[SearchAttributeUpdate[Any]] = []
        if self.status != self._listed_status:
            updates.append(STATUS.value_set(self.status))
        if terms != self._listed_terms:
            updates.append(INPUT.value_set(terms) if terms else INPUT.value_unset())
        if since != self._listed_since:
            updates.append(INPUT_SINCE.value_unset() if since is None else INPUT_SINCE.value_set(since))
        self._listed_status, self._listed_terms, self._listed_since = self.status, terms, since
        if updates:
            workflow.upsert_search_attributes(updates)


def listed_requests(pending: Sequence[InputRequest]) -> list[InputRequest]:
    """Return the requests as the memo lists them: the oldest, without arguments and schemas that are long."""
    return [_bounded(request) for request in pending[:MAX_LISTED_REQUESTS]]


def _oldest(pending: Sequence[InputRequest]) -> datetime | None:
    return min((request.opened_at for request in pending), default=None)


def _inbox_terms(pending: Sequence[InputRequest]) -> tuple[str, ...]:
    """Return what the inbox finds a task by: kinds and approvers; too many approvers are replaced by one term."""
    kinds = sorted({input_term("kind", request.kind) for request in pending})
    approvers = sorted({input_term("approver", name) for request in pending for name in request.approvers or ()})
    is_short = len(json.dumps([*kinds, *approvers])) <= _MAX_TERMS_BYTES
    return (*kinds, *(approvers if is_short else [ANY_APPROVER]))


def _bounded(request: InputRequest) -> InputRequest:
    if len(request.canonical_json()) <= _MAX_ARGUMENTS_BYTES:
        return request
    return request.model_copy(update={"arguments": None, "answer_schema": None})
