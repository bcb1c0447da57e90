"""List tasks newest first out of a store that can't sort: Temporal's visibility.

The SQL stores refuse ORDER BY and give running tasks first, then ended ones by the time they ended. So a page is
found by bounds on the start time, which any store counts exactly: a window that holds enough tasks and not too many
is read whole and sorted here. Tasks created meanwhile lie above the cursor, so they never shift a later page.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.client import Client, WorkflowExecution

from api.tasks.errors import CursorInvalid
from api.tasks.temporal_calls import RPC_TIMEOUT
from workflows.search_attributes import AGENT, CONVERSATION, PARENT, STATUS, TAGS
from workflows.task_types import WORKFLOW_TYPE, TaskStatus

__all__ = ["Cursor", "TaskFilter", "newest"]

_AT_ONCE = 1000
"""So many tasks are read whole and sorted; a window that holds more is narrowed first."""
_FIRST_LOOK = 4
"""Times what is wanted: mostly that is all there are, or the newest are among them."""
_LATEST = 2**63 - 1
"""Temporal's times are nanoseconds since 1970 in 64 bits."""
_AHEAD = 3600 * 1_000_000_000
"""Nanoseconds that Temporal's clock may be ahead of ours."""

_ENDED: dict[TaskStatus, str] = {
    "completed": "ExecutionStatus = 'Completed'",
    "cancelled": "ExecutionStatus = 'Canceled'",
    "terminated": "ExecutionStatus = 'Terminated'",
    "failed": f"(ExecutionStatus = 'Failed' AND ({STATUS.name} IS NULL OR {STATUS.name} != 'timed_out'))",
    "timed_out": f"(ExecutionStatus = 'TimedOut' OR (ExecutionStatus = 'Failed' AND {STATUS.name} = 'timed_out'))",
}


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks to list; None and empty are no filter."""

    status: tuple[TaskStatus, ...] = ()
    """Any of these."""
    agent: str | None = None
    conversation_id: str | None = None
    parent_id: str | None = None
    tag: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def query(self) -> str:
        """Return the visibility query. What ``continue-as-new`` left behind is no task of its own."""
        terms = [f"WorkflowType = '{WORKFLOW_TYPE}'", "ExecutionStatus != 'ContinuedAsNew'"]
        if self.status:
            terms.append("(" + " OR ".join(map(_has_status, self.status)) + ")")
        named = {
            AGENT.name: self.agent,
            CONVERSATION.name: self.conversation_id,
            PARENT.name: self.parent_id,
            TAGS.name: self.tag,
        }
        terms.extend(f"{name} = {_quoted(value)}" for name, value in named.items() if value is not None)
        if self.created_after is not None:
            terms.append(f"StartTime > '{_rfc3339(_nanoseconds(self.created_after))}'")
        if self.created_before is not None:
            terms.append(f"StartTime < '{_rfc3339(_nanoseconds(self.created_before))}'")
        return " AND ".join(terms)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the start time (nanoseconds since 1970) and the id of its last task."""

    started: int
    task_id: str

    @classmethod
    def at(cls, execution: WorkflowExecution) -> Cursor:
        """Return the cursor of a page that ends with this task."""
        return cls(_started(execution), execution.id)

    def encode(self, query: str) -> str:
        """Return it as opaque text that is good for this query only."""
        text = json.dumps([self.started, self.task_id, _mark(query)], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, query: str) -> Cursor:
        """Read it back.

        Raises:
            CursorInvalid: it isn't one, or of a list with other filters.
        """
        try:
            started, task_id, mark = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            cursor = cls(int(started), str(task_id))
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise CursorInvalid("This isn't a cursor. Pass next_cursor of the page before, unchanged.") from None
        if not 0 <= cursor.started <= _LATEST:
            raise CursorInvalid("This isn't a cursor. Pass next_cursor of the page before, unchanged.")
        if mark != _mark(query):
            raise CursorInvalid("This cursor belongs to other filters. Keep the filters while paging, or start anew.")
        return cursor


async def newest(
    client: Client, query: str, after: Cursor | None, wanted: int, *, at_once: int = _AT_ONCE
) -> list[WorkflowExecution]:
    """Return the newest tasks below the cursor, newest first, ``wanted`` at most. Exact on any visibility store."""
    window = _Window(client, query, after, max(at_once, 2 * wanted))
    seen, whole = await window.look(min(_FIRST_LOOK * wanted, window.most))
    if not whole:
        lower = _started(seen[wanted - 1]) if len(seen) >= wanted else 0
        seen = await window.read(await window.narrowed(lower, wanted))
    return seen[:wanted]


@dataclass(frozen=True, slots=True)
class _Window:
    """The tasks of a query below a cursor."""

    client: Client
    query: str
    after: Cursor | None
    most: int
    """How many to read at once."""

    async def look(self, size: int) -> tuple[list[WorkflowExecution], bool]:
        """Return some tasks, sorted, and whether those are all."""
        found = self.client.list_workflows(self._since(0), page_size=size, rpc_timeout=RPC_TIMEOUT)
        await found.fetch_next_page()
        return self._sorted(found.current_page or ()), found.next_page_token is None

    async def read(self, lower: int) -> list[WorkflowExecution]:
        """Return all tasks started at ``lower`` or later, sorted."""
        found = self.client.list_workflows(self._since(lower), page_size=self.most, rpc_timeout=RPC_TIMEOUT)
        return self._sorted([execution async for execution in found])

    async def narrowed(self, lower: int, wanted: int) -> int:
        """Return the lower bound of a window that holds ``wanted`` tasks or more, but hardly more than we read at once.

        ``lower`` is such a bound already, but its window may hold far more than that.
        """
        if await self._count(lower) <= self.most:
            return lower
        upper = self.after.started if self.after else _nanoseconds(datetime.now(UTC)) + _AHEAD
        needed = wanted + (await self._count(upper) if self.after else 0)
        while upper - lower > 1000:
            middle = (lower + upper) // 2
            held = await self._count(middle)
            lower, upper = (middle, upper) if held >= needed else (lower, middle)
            if needed <= held <= self.most:
                break
        return lower

    def _since(self, lower: int) -> str:
        terms = [self.query, f"StartTime >= '{_rfc3339(lower)}'"]
        if self.after is not None:
            terms.append(f"StartTime <= '{_rfc3339(self.after.started)}'")
        return " AND ".join(terms)

    async def _count(self, lower: int) -> int:
        return (await self.client.count_workflows(self._since(lower), rpc_timeout=RPC_TIMEOUT)).count

    def _sorted(self, executions: Sequence[WorkflowExecution]) -> list[WorkflowExecution]:
        end = (self.after.started, self.after.task_id) if self.after else None
        below = {e.id: e for e in sorted(executions, key=_started) if end is None or (_started(e), e.id) < end}
        return sorted(below.values(), key=lambda e: (_started(e), e.id), reverse=True)


def _started(execution: WorkflowExecution) -> int:
    return execution.raw_info.start_time.ToNanoseconds()


def _has_status(status: TaskStatus) -> str:
    return _ENDED.get(status) or f"(ExecutionStatus = 'Running' AND {STATUS.name} = '{status}')"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _nanoseconds(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    exact = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
    return min(max(exact, 0), _LATEST)


def _rfc3339(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}.{fraction:09d}Z"


def _mark(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:8]
