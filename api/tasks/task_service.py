"""Create, show, list, cancel and terminate tasks over Temporal, for any protocol."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)

from activities.payload_types import TranscriptRange
from activities.settings import Settings
from agentkit.catalog.catalog import Catalog
from agentkit.messages import user_message
from agentkit.runtime.calls.effect_ledger import LedgerEntry
from api.tasks.errors import (
    PayloadUnavailable,
    TaskEnded,
    TaskNotFound,
)
from api.tasks.listing.task_listing import PageCursor, TaskPages, visibility_query
from api.tasks.pending_tasks import NoPendingTasks, PendingTasks
from api.tasks.requests.schema_checks import SchemaChecks
from api.tasks.requests.task_requests import NewTask, TaskListRequest
from api.tasks.stalled_workflow import stalled_reason
from api.tasks.starting.agent_choice import AgentChoice
from api.tasks.starting.referenced_input import ReferencedInput, has_references
from api.tasks.starting.task_start import (
    check_start_at,
    new_task_id,
    request_hash,
    task_title,
)
from api.tasks.starting.task_starter import TaskStarter
from api.tasks.task_reading import first_events, until_closed, with_ending, with_opening
from api.tasks.task_snapshot import CreatedTask, StalledReason, TaskPage, TaskSnapshot, TaskUrls, TranscriptSlice
from api.tasks.task_transcripts import TaskTranscripts, transcript_slice
from api.tasks.task_workflows import TaskWorkflows
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.visibility.task_visibility import (
    listed_task,
)
from api.tasks.workers.worker_presence import WorkerPresence
from api.tasks.workers.worker_queries import QUERY_CALLS_TIMEOUT_S, WorkerQueries
from api.tasks.workflow_views import WorkflowViews
from workflows.task_types import TaskInput, TaskView, ToolCallLedger
from workflows.telemetry.root_span import TerminatedTaskSpans

__all__ = ["TaskService"]

_POLL_INTERVAL_S = 0.5
"""Between two looks for a task that has not started."""
_POLLS = 20
"""So many of them between two looks at whether it is still to start."""


class TaskService:
    """Tasks, as Temporal holds them.

    Every method may raise TemporalUnreachable and TemporalNotReady, and PayloadUnavailable where it stores or reads
    what a task was given or what it gave.
    """

    def __init__(
        self,
        client: Client,
        catalog: Catalog,
        settings: Settings,
        pending: PendingTasks | None = None,
        spans: TerminatedTaskSpans | None = None,
    ) -> None:
        """``pending`` finds the tasks that have not started; ``spans`` gets those that are terminated."""
        self._client = client
        self._pending = pending or NoPendingTasks()
        self._spans = spans
        self._agents = AgentChoice(catalog, settings)
        self._starter = TaskStarter(client, settings)
        self._input = ReferencedInput(client, settings)
        self._notify = settings.input_webhook is not None
        self._workflows = TaskWorkflows(client, settings)
        self._pages = TaskPages(client, self._workflows)
        self._urls = TaskUrls.of(settings.temporal_ui_url, client.namespace)
        self._workers = WorkerPresence(client)
        self._views = WorkflowViews()
        self._queries = WorkerQueries(client, settings)
        self._transcripts = TaskTranscripts(client, self._queries)
        self._schemas = SchemaChecks()

    async def create(self, new_task: NewTask, *, key: str | None = None) -> CreatedTask:
        """Start a task. The same idempotency key and request return the first task again.

        Raises:
            TaskRefused: no such agent, or its model, tools or start time can't be used.
            IdempotencyConflict: the key was used for another request.
            McpServerFailed, McpServerTimedOut: the MCP server of a prompt or resource can't be used now.
            WorkerUnavailable: no worker responds; only they can read prompts and resources.
        """
        await self._schemas.check(new_task)
        agent = self._agents.requested(new_task)
        check_start_at(new_task.start_at)
        suffix = await self._workflows.id_suffix(new_task.user)
        request_key = None
        if key is not None:
            request_key = await self._starter.idempotency_key(key, request_hash(new_task), id_suffix=suffix)
        if request_key is not None and has_references(new_task.input) and await self._starter.was_started(request_key):
            return CreatedTask(await self.get(request_key.workflow_id), is_new=False)  # what it refers to may be gone
        message = user_message(await self._input.resolve(new_task.input))
        task_input = TaskInput(agent=agent, message=message, notify=self._notify, start_at=new_task.start_at)
        task_id = new_task_id() + suffix if request_key is None else request_key.workflow_id
        task = await self._starter.start(new_task, task_input, task_title(message), key=request_key, task_id=task_id)
        if task is None:
            return CreatedTask(await self.get(request_key.workflow_id if request_key else ""), is_new=False)
        return CreatedTask(task, is_new=True)

    async def get(self, task_id: str) -> TaskSnapshot:
        """Return a task; also a turn of a conversation whose message waits to be a turn.

        Raises:
            TaskNotFound: there is no task of this id.
        """
        try:
            return await self._started(task_id)
        except TaskNotFound:
            pending = await self._pending.find(task_id)
        return pending or await self._started(task_id)  # it may have started meanwhile

    async def _started(self, task_id: str, *, has_verdict: bool = False) -> TaskSnapshot:
        """Return a task that has started. ``has_verdict``: its worker has just responded, so it is asked at once."""
        handle = self._workflows.handle(task_id)
        converter = self._workflows.converter(task_id)
        view: TaskView | None = None
        async with self._workflows.calling(task_id):
            if has_verdict:
                execution, opening, view = await asyncio.gather(
                    self._workflows.describe(handle), first_events(handle), self._views.read(handle)
                )
            else:
                execution, opening = await self._workflows.describe(handle), await first_events(handle)
            task = await listed_task(execution, self._urls, complete=True)
            task = await with_opening(task, opening, converter)
            is_running = execution.status is WorkflowExecutionStatus.RUNNING
            if not is_running:
                task = await with_ending(task, handle, converter)
            if execution.status in (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED):
                return task
            stalled = await stalled_reason(self._client, execution, converter) if is_running else None
            task = replace(task, stalled=stalled)
            if (problem := await self._workers.version_problem(execution)) is not None:
                return replace(task, stalled=StalledReason(message=problem, kind="version")) if is_running else task
            if not await self._workers.polls(execution):
                return replace(task, waiting_for_worker=is_running)
            if stalled is not None:
                return task
            return await self._views.add(task, handle, view)

    async def describe(self, task_id: str) -> WorkflowExecutionDescription:
        """Return Temporal's description of the task's newest run.

        Raises:
            TaskNotFound: there is no task of this id.
        """
        handle = self._workflows.handle(task_id)
        async with self._workflows.calling(task_id):
            return await self._workflows.describe(handle)

    async def wait(self, task_id: str, timeout_s: float) -> None:
        """Return when the task has ended, or after ``timeout_s``.

        Raises:
            TaskNotFound: there is no task of this id.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.until_started(task_id)
                async with self._workflows.calling(task_id, timeout_s=timeout_s + RPC_TIMEOUT.total_seconds()):
                    await until_closed(self._client, task_id)

    async def describe_started(self, task_id: str) -> WorkflowExecutionDescription | None:
        """Return what ``describe`` does; None of a turn whose message waits.

        Raises:
            TaskNotFound: there is no task of this id.
        """
        try:
            return await self.describe(task_id)
        except TaskNotFound:
            if await self._pending.find(task_id) is not None:
                return None
        return await self.describe(task_id)  # it may have started meanwhile

    async def until_started(self, task_id: str) -> WorkflowExecutionDescription:
        """Return the description of a task, once it has one: that of a turn whose message waits comes later.

        Raises:
            TaskNotFound: there is no task of this id.
        """
        while (described := await self.describe_started(task_id)) is None:
            for _ in range(_POLLS):
                await asyncio.sleep(_POLL_INTERVAL_S)
                with suppress(TaskNotFound):
                    return await self.describe(task_id)
        return described

    async def list(self, request: TaskListRequest) -> TaskPage:
        """Return a page of tasks, newest first.

        Raises:
            CursorInvalid: the cursor isn't one of this list.
        """
        query = visibility_query(request)
        cursor = PageCursor.decode(request.cursor, query) if request.cursor is not None else None
        executions, total = await self._pages.read(query, cursor, request.limit + 1)
        page = executions[: request.limit]
        tasks = tuple([await self._listed(execution) for execution in page])
        has_more = len(executions) > request.limit
        next_cursor = PageCursor.after(page[-1]).encode(query) if has_more else None
        return TaskPage(tasks, next_cursor, total)

    async def transcript(self, task_id: str, *, start: int, limit: int, version: int | None = None) -> TranscriptSlice:
        """Return messages of the transcript from ``start`` on, ``limit`` at most, fewer when they are large.

        They are of the newest version unless another is given.

        Raises:
            TaskNotFound: there is no task of this id.
            VersionNotFound: its transcript has no such version.
            WorkerUnavailable: no worker responds; only they can read a transcript.
            PayloadUnavailable: the worker can't read it, or this process can't read the worker's response.
        """
        handle = self._workflows.handle(task_id)
        async with self._workflows.calling(task_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
            execution = await self._workflows.describe(handle)
            page_range = TranscriptRange(start=start, end=start + limit, version=version)
            page = await self._transcripts.page(handle, execution, page_range)
        return transcript_slice(page)

    async def tool_calls(self, task_id: str) -> tuple[LedgerEntry, ...]:
        """Return the task's effect ledger, oldest call first.

        Raises:
            TaskNotFound: there is no task of this id.
            WorkerUnavailable: no worker responds; only they can read it.
            PayloadUnavailable: it can't be read.
        """
        handle = self._workflows.handle(task_id)
        async with self._workflows.calling(task_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
            execution = await self._workflows.describe(handle)
            ledger = await self._queries.query(handle, execution, "tool_calls", ToolCallLedger)
        return ledger.tool_calls

    async def cancel(self, task_id: str) -> TaskSnapshot:
        """Request the task's cancellation; it ends soon afterwards, with its steps and usage recorded.

        Raises:
            TaskNotFound: there is no task of this id.
            TaskEnded: it has ended.
        """
        await self._workflows.unended(task_id)
        handle = self._workflows.handle(task_id)
        async with self._workflows.calling(task_id):
            await handle.cancel(reason="Cancelled through the API", rpc_timeout=RPC_TIMEOUT)
        return await self.changed(task_id)

    async def terminate(self, task_id: str) -> TaskSnapshot:
        """End the task at once, whatever it does; that needs no worker.

        Raises:
            TaskNotFound: there is no task of this id.
            TaskEnded: it has ended.
        """
        await self._workflows.unended(task_id)
        handle = self._workflows.handle(task_id)
        try:
            async with self._workflows.calling(task_id):
                await handle.terminate(reason="Terminated through the API", rpc_timeout=RPC_TIMEOUT)
        except TaskNotFound:  # Temporal's error when the task ended after `_running`
            raise TaskEnded(task_id, (await self.changed(task_id)).status) from None
        task = await self.changed(task_id)
        if self._spans is not None:
            await self._spans.export(task_id, task.started_at or task.created_at, task.steps)
        return task

    async def changed(self, task_id: str, *, has_verdict: bool = False) -> TaskSnapshot:
        """Return a task that was changed; as lists show it where more can't be read, for the change is made.

        ``has_verdict``: its workflow has just decided on the change. Then everything is read at the same time.
        """
        try:
            return await (self._started(task_id, has_verdict=True) if has_verdict else self.get(task_id))
        except PayloadUnavailable:
            return await self._listed(await self.describe(task_id))

    async def _listed(self, execution: WorkflowExecution) -> TaskSnapshot:
        """Return a task as lists show it: what visibility has of it, and whether it has a worker."""
        task = await listed_task(execution, self._urls)
        is_running = execution.status is WorkflowExecutionStatus.RUNNING
        if not is_running or await self._workers.polls(execution):
            return task
        if (problem := await self._workers.version_problem(execution)) is not None:
            return replace(task, stalled=StalledReason(message=problem, kind="version"))
        return replace(task, waiting_for_worker=True)
