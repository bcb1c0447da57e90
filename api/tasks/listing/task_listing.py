"""List tasks newest first from a store that can't sort: Temporal's visibility.

The SQL stores refuse ORDER BY and return running tasks first, then ended ones by the time they ended. So a page is
found by bounds on the start time, within which any store counts exactly: a window with enough tasks and not too many
is read completely and sorted here. Tasks created meanwhile are newer than the cursor, so they never shift a later page.

A count takes Temporal's SQLite store about a millisecond of CPU, and each listed task 0.6 ms, so a page reads few more
tasks than it shows: usually the first tasks that the store returns hold the page, which one count confirms.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowExecution

from activities.temporal.temporal_clock import temporal_now
from api.current_principal import current_principal
from api.tasks.errors import CursorInvalid
from api.tasks.listing.shared_reads import SharedReads
from api.tasks.requests.steering_requests import InboxRequest
from api.tasks.requests.task_requests import TaskFilter
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.visibility.tenant_access import tenant_terms
from api.tasks.visibility.visibility_text import quoted
from workflows.search_attributes import (
    AGENT,
    ANY_APPROVER,
    CONVERSATION,
    INPUT,
    INPUT_SINCE,
    PARENT,
    STATUS,
    TAGS,
    TENANT,
    input_term,
)
from workflows.task_types import WORKFLOW_TYPE, TaskStatus

__all__ = ["PageCursor", "TaskPages", "created_terms", "inbox_query", "newest_tasks", "visibility_query"]

_WINDOW_SIZE = 100
"""The most tasks that are read and sorted, or two pages; a window that holds more is narrowed first."""
_SAMPLE_MARGIN = 10
"""How many more tasks than a page shows are read at first, or a quarter of the page: tasks end in another order than
they start, and some may have started in the same moment as the last one of the page before."""
_MAX_TIME_NS = 2**63 - 1
"""Temporal's times are nanoseconds since 1970 in 64 bits."""
_MAX_CLOCK_ERROR_NS = 60 * 1_000_000_000
"""How far the clock of one of Temporal's hosts may be ahead of another's."""

_ENDED: dict[TaskStatus, str] = {
    "completed": "ExecutionStatus = 'Completed'",
    "cancelled": "ExecutionStatus = 'Canceled'",
    "terminated": "ExecutionStatus = 'Terminated'",
    "failed": f"(ExecutionStatus = 'Failed' AND ({STATUS.name} IS NULL OR {STATUS.name} != 'timed_out'))",
    "timed_out": f"(ExecutionStatus = 'TimedOut' OR (ExecutionStatus = 'Failed' AND {STATUS.name} = 'timed_out'))",
}


def visibility_query(tasks: TaskFilter) -> str:
    """Return the filter as a query of Temporal's visibility, without the earlier runs of tasks continued as new.

    It finds only what the current principal sees.
    """
    terms = [f"WorkflowType = '{WORKFLOW_TYPE}'", "ExecutionStatus != 'ContinuedAsNew'", *tenant_terms()]
    if tasks.status:
        terms.append("(" + " OR ".join(map(_status_term, tasks.status)) + ")")
    values = {
        AGENT.name: tasks.agent,
        CONVERSATION.name: tasks.conversation_id,
        PARENT.name: tasks.parent_id,
        TAGS.name: tasks.tag,
        TENANT.name: tasks.tenant,
    }
    terms.extend(f"{name} = {quoted(value)}" for name, value in values.items() if value is not None)
    return " AND ".join([*terms, *created_terms(tasks.created_after, tasks.created_before)])


def created_terms(after: datetime | None, before: datetime | None) -> list[str]:
    """Return the terms of a query for the workflows that started after one time, and before another."""
    bounds = {">": after, "<": before}
    return [f"StartTime {sign} '{_rfc3339(_nanoseconds(time))}'" for sign, time in bounds.items() if time is not None]


def inbox_query(inbox: InboxRequest, *, opened_before: datetime | None = None) -> str:
    """Return which tasks may have such pending input requests, as a query of Temporal's visibility.

    It finds only what the current principal sees. ``opened_before`` is rounded up to a second, so that equal requests
    of the same second share a read: compare the requests of each task with the exact time.
    """
    terms = [f"WorkflowType = '{WORKFLOW_TYPE}'", "ExecutionStatus = 'Running'", *tenant_terms()]
    if opened_before is None:
        terms.append(f"{INPUT_SINCE.name} IS NOT NULL")
    else:
        bound = (opened_before + timedelta(microseconds=999_999)).replace(microsecond=0)
        terms.append(f"{INPUT_SINCE.name} <= '{_rfc3339(_nanoseconds(bound))}'")
    if inbox.kind:
        kinds = (f"{INPUT.name} = {quoted(input_term('kind', kind))}" for kind in dict.fromkeys(inbox.kind))
        terms.append(f"({' OR '.join(kinds)})")
    if inbox.approver is not None:
        approver = quoted(input_term("approver", inbox.approver))
        terms.append(f"({INPUT.name} = {approver} OR {INPUT.name} = {quoted(ANY_APPROVER)})")
    if inbox.agent is not None:
        terms.append(f"{AGENT.name} = {quoted(inbox.agent)}")
    return " AND ".join(terms)


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The end of a page: start time and id of its last task."""

    started_ns: int
    """Nanoseconds since 1970."""
    task_id: str

    @classmethod
    def after(cls, execution: WorkflowExecution) -> PageCursor:
        """Return the cursor of a page whose last task this is."""
        return cls(_started_ns(execution), execution.id)

    def encode(self, query: str) -> str:
        """Return the cursor as opaque text, valid for this query only."""
        text = json.dumps([self.started_ns, self.task_id, _query_digest(query)], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, query: str) -> PageCursor:
        """Return the cursor for a text that ``encode`` returned.

        Raises:
            CursorInvalid: the text isn't a cursor, or belongs to other filters.
        """
        try:
            started_ns, task_id, digest = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            cursor = cls(int(started_ns), str(task_id))
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise CursorInvalid("This isn't a cursor. Pass next_cursor of the page before, unchanged.") from None
        if not 0 <= cursor.started_ns <= _MAX_TIME_NS:
            raise CursorInvalid("This isn't a cursor. Pass next_cursor of the page before, unchanged.")
        if digest != _query_digest(query):
            raise CursorInvalid("This cursor belongs to other filters. Keep the filters while paging, or start anew.")
        return cursor


class TaskPages:
    """Reads pages of lists; equal requests at the same time share a read."""

    def __init__(self, client: Client, workflows: TaskWorkflows) -> None:
        self._client = client
        self._workflows = workflows
        self._reads = SharedReads[tuple[list[WorkflowExecution], int]]()

    async def read(self, query: str, cursor: PageCursor | None, count: int) -> tuple[list[WorkflowExecution], int]:
        """Return the first ``count`` tasks after the cursor, and how many the query finds at about that moment."""

        async def read() -> tuple[list[WorkflowExecution], int]:
            async with self._workflows.calling():
                tasks, counted = await asyncio.gather(
                    newest_tasks(self._client, query, cursor, count),
                    self._client.count_workflows(query, rpc_timeout=RPC_TIMEOUT),
                )
            return tasks, counted.count

        async with self._workflows.calling():
            return await self._reads.run((query, cursor, count), read, current_principal().tenant)


async def newest_tasks(
    client: Client, query: str, cursor: PageCursor | None, count: int, *, window_size: int = _WINDOW_SIZE
) -> list[WorkflowExecution]:
    """Return the first ``count`` tasks after the cursor, newest first; fewer at the end. Exact on any store.

    Tasks that stop to match the query meanwhile may be in it still, or hide one that does.
    """
    window = _Window(client, query, cursor, max(window_size, 2 * count))
    sample, is_all = await window.sample(count + max(_SAMPLE_MARGIN, count // 4))
    tasks = window.after_cursor(sample)
    if is_all:
        return tasks[:count]
    lower_ns = _started_ns(tasks[count - 1]) if len(tasks) >= count else 0
    held = await window.count(lower_ns)
    if lower_ns and held == sum(_started_ns(execution) >= lower_ns for execution in sample):
        return tasks[:count]
    return (await window.read(await window.narrowed(lower_ns, held, count)))[:count]


@dataclass(frozen=True, slots=True)
class _Window:
    """The tasks of a query after a cursor. Bounds are start times in nanoseconds."""

    client: Client
    query: str
    cursor: PageCursor | None
    size: int
    """The most tasks to read at once."""

    async def sample(self, count: int) -> tuple[Sequence[WorkflowExecution], bool]:
        """Return some tasks, at or after the cursor, and whether those are all."""
        listing = self.client.list_workflows(self._since(0), page_size=count, rpc_timeout=RPC_TIMEOUT)
        await listing.fetch_next_page()
        return listing.current_page or (), listing.next_page_token is None

    async def read(self, lower_ns: int) -> list[WorkflowExecution]:
        """Return all tasks started at ``lower_ns`` or later, newest first."""
        listing = self.client.list_workflows(self._since(lower_ns), page_size=self.size, rpc_timeout=RPC_TIMEOUT)
        return self.after_cursor([execution async for execution in listing])

    async def narrowed(self, lower_ns: int, held: int, count: int) -> int:
        """Return a lower bound above which there are ``count`` tasks or more, and hardly more than ``size``.

        ``lower_ns`` is such a bound too, but with ``held`` tasks above it.
        """
        if held <= self.size:
            return lower_ns
        upper_ns = self.cursor.started_ns if self.cursor else await self._now_ns() + _MAX_CLOCK_ERROR_NS
        needed = count + (await self.count(upper_ns) if self.cursor else 0)
        while upper_ns - lower_ns > 1000:
            middle_ns = (lower_ns + upper_ns) // 2
            held = await self.count(middle_ns)
            lower_ns, upper_ns = (middle_ns, upper_ns) if held >= needed else (lower_ns, middle_ns)
            if needed <= held <= self.size:
                break
        return lower_ns

    async def _now_ns(self) -> int:
        return _nanoseconds(await temporal_now(self.client))

    def _since(self, lower_ns: int) -> str:
        terms = [self.query, f"StartTime >= '{_rfc3339(lower_ns)}'"]
        if self.cursor is not None:
            terms.append(f"StartTime <= '{_rfc3339(self.cursor.started_ns)}'")
        return " AND ".join(terms)

    async def count(self, lower_ns: int) -> int:
        """Return how many tasks started at ``lower_ns`` or later."""
        return (await self.client.count_workflows(self._since(lower_ns), rpc_timeout=RPC_TIMEOUT)).count

    def after_cursor(self, executions: Sequence[WorkflowExecution]) -> list[WorkflowExecution]:
        """Return the executions after the cursor, newest first, and only the newest run of each task."""
        end = (self.cursor.started_ns, self.cursor.task_id) if self.cursor else None
        # By id, because a task that was continued as new meanwhile is listed twice: its newest run counts.
        newest_runs = {
            execution.id: execution
            for execution in sorted(executions, key=_started_ns)
            if end is None or (_started_ns(execution), execution.id) < end
        }
        return sorted(newest_runs.values(), key=lambda execution: (_started_ns(execution), execution.id), reverse=True)


def _started_ns(execution: WorkflowExecution) -> int:
    return execution.raw_info.start_time.ToNanoseconds()


def _status_term(status: TaskStatus) -> str:
    return _ENDED.get(status) or f"(ExecutionStatus = 'Running' AND {STATUS.name} = '{status}')"


def _nanoseconds(time: datetime) -> int:
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    exact = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
    return min(max(exact, 0), _MAX_TIME_NS)


def _rfc3339(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}.{fraction:09d}Z"


def _query_digest(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:8]
