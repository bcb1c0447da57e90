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
    WorkflowHandle,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.payload_types import TranscriptPage, TranscriptRange
from activities.settings import Settings
from activities.storage.message_storage import MessageStorage
from activities.temporal.client import temporal_address
from activities.temporal.payload_storage import PayloadStorageFailed
from activities.temporal.temporal_clock import temporal_now
from agentkit.catalog.catalog import Catalog
from agentkit.config.providers import split_model
from agentkit.errors import AgentInvalid, ConfigurationInvalid
from agentkit.messages import user_message
from agentkit.runtime.effect_ledger import LedgerEntry
from agentkit.schemas.schema_rules import check_schema
from agentkit.specs import AgentSpec
from agentkit.transcript import first_messages
from api.tasks.errors import (
    FieldIssue,
    IdempotencyConflict,
    PayloadUnavailable,
    TaskEnded,
    TaskNotFound,
    TaskRefused,
)
from api.tasks.payload_decoding import payload_unavailable
from api.tasks.schema_checks import SchemaChecks
from api.tasks.stalled_workflow import stalled_reason
from api.tasks.task_listing import PageCursor, newest_tasks, visibility_query
from api.tasks.task_reading import until_closed, with_ending, with_opening
from api.tasks.task_requests import NewTask, TaskListRequest
from api.tasks.task_snapshot import CreatedTask, TaskPage, TaskSnapshot, TaskUrls, TranscriptSlice
from api.tasks.task_start import (
    check_start_at,
    missing_cost_price,
    missing_key,
    new_task_id,
    request_hash,
    start_delay,
    task_id_for_key,
    task_title,
)
from api.tasks.task_visibility import (
    listed_task,
    new_task_memo,
    new_task_search_attributes,
    queued_task,
    visible_status,
)
from api.tasks.temporal_calls import RPC_TIMEOUT, calling_temporal
from api.tasks.worker_presence import WorkerPresence
from api.tasks.worker_queries import QUERY_CALLS_TIMEOUT_S, WorkerQueries
from api.tasks.workflow_views import WorkflowViews
from workflows.search_attributes import MEMO_BODY_HASH
from workflows.task_types import WORKFLOW_TYPE, TaskInput, ToolCallLedger

__all__ = ["TaskService"]

_MAX_ID_BYTES = 255
"""Temporal's SQL stores hold workflow ids of this length."""
_Handle = WorkflowHandle[object, object]


class TaskService:
    """Tasks, as Temporal holds them.

    Every method may raise TemporalUnreachable and TemporalNotReady, and PayloadUnavailable where it stores or reads
    what a task was given or what it gave.
    """

    def __init__(self, client: Client, catalog: Catalog, settings: Settings) -> None:
        self._client = client
        self._catalog = catalog
        self._settings = settings
        self._address = temporal_address(settings)
        self._urls = TaskUrls.of(settings.temporal_ui_url, client.namespace)
        self._workers = WorkerPresence(client)
        self._views = WorkflowViews()
        self._queries = WorkerQueries(client, settings)
        self._schemas = SchemaChecks()

    async def create(self, new_task: NewTask, *, key: str | None = None) -> CreatedTask:
        """Start a task. The same idempotency key and request return the first task again.

        Raises:
            TaskRefused: no such agent, or its model, tools or start time can't be used.
            IdempotencyConflict: the key was used for another request.
        """
        await self._schemas.check(new_task)
        agent = self._agent(new_task)
        check_start_at(new_task.start_at)
        message = user_message(new_task.content)
        title = task_title(message)
        hashed = request_hash(new_task) if key is not None else None
        task_id = new_task_id() if key is None else task_id_for_key(key)
        try:
            async with calling_temporal(self._address):
                created_at = await temporal_now(self._client)
                delay = await start_delay(new_task.start_at, self._client)
                await self._client.start_workflow(
                    WORKFLOW_TYPE,
                    TaskInput(agent=agent, message=message),
                    id=task_id,
                    task_queue=self._settings.task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    memo=new_task_memo(new_task, title, hashed),
                    search_attributes=new_task_search_attributes(new_task, agent.name),
                    static_summary=f"{agent.name}: {title}",
                    static_details=f"Agent **{agent.name}** on {', '.join(agent.models)}",
                    start_delay=delay,
                    rpc_timeout=RPC_TIMEOUT,
                )
        except WorkflowAlreadyStartedError:
            return CreatedTask(await self._earlier_task(task_id, hashed), is_new=False)
        task = queued_task(
            new_task,
            task_id=task_id,
            agent=agent.name,
            title=title,
            message=message,
            created_at=created_at,
            links=self._urls.links(task_id),
        )
        return CreatedTask(task, is_new=True)

    async def get(self, task_id: str) -> TaskSnapshot:
        """Return a task.

        Raises:
            TaskNotFound: there is no task of this id.
        """
        handle = self._handle(task_id)
        converter = self._converter(task_id)
        async with calling_temporal(self._address, task_id):
            execution = await self._describe(handle)
            task = await listed_task(execution, self._urls, complete=True)
            task = await with_opening(task, handle, converter)
            is_running = execution.status is WorkflowExecutionStatus.RUNNING
            if not is_running:
                task = await with_ending(task, handle, converter)
            if execution.status in (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED):
                return task
            stalled = await stalled_reason(self._client, execution, converter) if is_running else None
            task = replace(task, stalled=stalled)
            if not await self._workers.polls(execution.task_queue):
                return replace(task, waiting_for_worker=is_running)
            if stalled is not None:
                return task
            return await self._views.add(task, handle)

    async def describe(self, task_id: str) -> WorkflowExecutionDescription:
        """Return Temporal's description of the task's newest run.

        Raises:
            TaskNotFound: there is no task of this id.
        """
        handle = self._handle(task_id)
        async with calling_temporal(self._address, task_id):
            return await self._describe(handle)

    async def wait(self, task_id: str, timeout_s: float) -> None:
        """Return when the task has ended, or after ``timeout_s``.

        Raises:
            TaskNotFound: there is no task of this id.
        """
        handle = self._handle(task_id)
        async with calling_temporal(self._address, task_id, timeout_s=timeout_s + RPC_TIMEOUT.total_seconds()):
            await self._describe(handle)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await until_closed(self._client, task_id)

    async def list(self, request: TaskListRequest) -> TaskPage:
        """Return a page of tasks, newest first.

        Raises:
            CursorInvalid: the cursor isn't one of this list.
        """
        query = visibility_query(request)
        cursor = PageCursor.decode(request.cursor, query) if request.cursor is not None else None
        async with calling_temporal(self._address):
            executions, counted = await asyncio.gather(
                newest_tasks(self._client, query, cursor, request.limit + 1),
                self._client.count_workflows(query, rpc_timeout=RPC_TIMEOUT),
            )
            page = executions[: request.limit]
            tasks = tuple([await self._listed(execution) for execution in page])
        has_more = len(executions) > request.limit
        next_cursor = PageCursor.after(page[-1]).encode(query) if has_more else None
        return TaskPage(tasks, next_cursor, counted.count)

    async def transcript(self, task_id: str, *, start: int, limit: int) -> TranscriptSlice:
        """Return messages of the transcript from ``start`` on, ``limit`` at most, fewer when they are large.

        Raises:
            TaskNotFound: there is no task of this id.
            WorkerUnavailable: no worker responds; only they can read a transcript.
            PayloadUnavailable: the worker can't read it, or this process can't read the worker's response.
        """
        handle = self._handle(task_id)
        async with calling_temporal(self._address, task_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
            execution = await self._describe(handle)
            page_range = TranscriptRange(start=start, end=start + limit)
            page = await self._queries.query(handle, execution.task_queue, "transcript", TranscriptPage, page_range)
            if page.stored:
                page = await self._with_stored(page, page_range)
        end = start + len(page.messages)
        next_start = end if page.messages and end < page.total else None
        messages = tuple(message.without_claims() for message in page.messages)
        return TranscriptSlice(start, messages, page.total, next_start)

    async def tool_calls(self, task_id: str) -> tuple[LedgerEntry, ...]:
        """Return the task's effect ledger, oldest call first.

        Raises:
            TaskNotFound: there is no task of this id.
            WorkerUnavailable: no worker responds; only they can read it.
            PayloadUnavailable: it can't be read.
        """
        handle = self._handle(task_id)
        async with calling_temporal(self._address, task_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
            execution = await self._describe(handle)
            ledger = await self._queries.query(handle, execution.task_queue, "tool_calls", ToolCallLedger)
        return ledger.tool_calls

    async def cancel(self, task_id: str) -> TaskSnapshot:
        """Request the task's cancellation; it ends soon afterwards, with its steps and usage recorded.

        Raises:
            TaskNotFound: there is no task of this id.
            TaskEnded: it has ended.
        """
        handle = await self._running(task_id)
        async with calling_temporal(self._address, task_id):
            await handle.cancel(reason="Cancelled through the API", rpc_timeout=RPC_TIMEOUT)
        return await self._changed(task_id)

    async def terminate(self, task_id: str) -> TaskSnapshot:
        """End the task at once, whatever it does; that needs no worker.

        Raises:
            TaskNotFound: there is no task of this id.
            TaskEnded: it has ended.
        """
        handle = await self._running(task_id)
        try:
            async with calling_temporal(self._address, task_id):
                await handle.terminate(reason="Terminated through the API", rpc_timeout=RPC_TIMEOUT)
        except TaskNotFound:  # Temporal's error when the task ended after `_running`
            raise TaskEnded(task_id, (await self._changed(task_id)).status) from None
        return await self._changed(task_id)

    def _agent(self, new_task: NewTask) -> AgentSpec:
        field = "model"
        try:
            if new_task.model is not None:
                split_model(new_task.model)
            field = "output_schema"
            if new_task.output_schema is not None:
                check_schema(new_task.output_schema)
            field = "agent" if new_task.agent_spec is None else "agent_spec"
            model, limits, schema = new_task.model, new_task.limit_changes, new_task.output_schema
            if new_task.agent_spec is not None:
                spec = self._catalog.resolve(new_task.agent_spec, model=model, limits=limits, output_schema=schema)
            else:
                spec = self._catalog.spec(new_task.agent or "", model=model, limits=limits, output_schema=schema)
        except ConfigurationInvalid as error:
            issues = [FieldIssue(*issue) for issue in error.request_issues] if isinstance(error, AgentInvalid) else ()
            raise TaskRefused(str(error), path=(field,), issues=issues) from error
        if key_problem := missing_key(spec, self._settings):
            raise TaskRefused(key_problem, path=("model" if new_task.model else field,))
        if price_problem := missing_cost_price(spec, self._settings):
            has_own_limit = "max_cost_usd" in new_task.limit_changes
            raise TaskRefused(price_problem, path=("limits", "max_cost_usd") if has_own_limit else (field,))
        return spec

    async def _earlier_task(self, task_id: str, hashed: str | None) -> TaskSnapshot:
        task = await self.get(task_id)
        async with calling_temporal(self._address, task_id):
            execution = await self._describe(self._handle(task_id))
            same = await execution.memo_value(MEMO_BODY_HASH, default=None) == hashed
        if not same:
            raise IdempotencyConflict(
                f"This Idempotency-Key started task {task_id!r} with another body. Take a new key for a new task."
            )
        return task

    def _handle(self, task_id: str) -> _Handle:
        if not 0 < len(task_id.encode(errors="replace")) <= _MAX_ID_BYTES or not task_id.isprintable():
            raise TaskNotFound(task_id)
        return self._client.get_workflow_handle(task_id)

    def _converter(self, task_id: str) -> DataConverter:
        return self._client.data_converter.with_context(
            WorkflowSerializationContext(namespace=self._client.namespace, workflow_id=task_id)
        )

    async def _describe(self, handle: _Handle) -> WorkflowExecutionDescription:
        """Return the workflow's description; workflows of other types are no tasks."""
        execution = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        if execution.workflow_type != WORKFLOW_TYPE:
            raise TaskNotFound(handle.id)
        return execution

    async def _running(self, task_id: str) -> _Handle:
        handle = self._handle(task_id)
        async with calling_temporal(self._address, task_id):
            execution: WorkflowExecution = await self._describe(handle)
            if execution.status is not WorkflowExecutionStatus.RUNNING:
                raise TaskEnded(task_id, visible_status(execution))
        return handle

    async def _with_stored(self, page: TranscriptPage, page_range: TranscriptRange) -> TranscriptPage:
        """Return a page with messages in place of references to those that earlier runs of the task stored."""
        try:
            messages = await MessageStorage(self._client).read(page.stored[0], page_range.start, page_range.end)
        except PayloadStorageFailed as error:
            raise payload_unavailable(error) from error
        return page.model_copy(update={"messages": first_messages(messages, page_range.max_bytes), "stored": ()})

    async def _listed(self, execution: WorkflowExecution) -> TaskSnapshot:
        """Return a task as lists show it: what visibility has of it, and whether it has a worker."""
        task = await listed_task(execution, self._urls)
        is_running = execution.status is WorkflowExecutionStatus.RUNNING
        if not is_running or await self._workers.polls(execution.task_queue):
            return task
        return replace(task, waiting_for_worker=True)

    async def _changed(self, task_id: str) -> TaskSnapshot:
        """Return a task that was changed; as lists show it where more can't be read, for the change is made."""
        try:
            return await self.get(task_id)
        except PayloadUnavailable:
            return await self._listed(await self.describe(task_id))
