"""Start, show, list and stop tasks over Temporal, in no protocol's words: REST uses it, and any other front may."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.payload_types import TranscriptPage, TranscriptRange
from activities.settings import Settings
from activities.temporal.client import temporal_address
from agentkit.catalog.catalog import Catalog
from agentkit.config.providers import split_model
from agentkit.errors import ConfigurationInvalid
from agentkit.messages import user_message
from agentkit.runtime.structured_output import check_schema
from agentkit.specs import AgentSpec
from api.rest.request_schemas import CreateTask
from api.rest.response_schemas import Task, TaskList, Transcript
from api.tasks.errors import IdempotencyConflict, TaskEnded, TaskNotFound, TaskRefused, WorkersSilent
from api.tasks.task_listing import Cursor, TaskFilter, newest
from api.tasks.task_reading import Addresses, input_of, listed, read_ending, read_opening, with_view
from api.tasks.task_start import (
    body_hash,
    id_for_key,
    lacking_key,
    memo_for,
    new_task_id,
    search_attributes_for,
    title_of,
)
from api.tasks.temporal_calls import RPC_TIMEOUT, asking, workers_poll
from workflows.search_attributes import MEMO_BODY_HASH
from workflows.task_types import WORKFLOW_TYPE, TaskInput, TaskView

__all__ = ["Started", "TaskService"]

_VIEW_TIMEOUT = timedelta(seconds=1)
"""What showing a task waits for its worker."""
_TRANSCRIPT_TIMEOUT = timedelta(seconds=15)
"""A worker that never saw the task replays it first."""
_SILENCE = 3.0
"""Seconds in which workers aren't asked again after one didn't answer."""
_LONGEST_ID = 255
_FARTHEST_START = timedelta(days=366)
_Handle = WorkflowHandle[object, object]


@dataclass(frozen=True, slots=True)
class Started:
    """A task, and whether this request was the one that started it."""

    task: Task
    new: bool


class TaskService:
    """Tasks, as Temporal keeps them. Every method may raise TemporalUnreachable and TemporalNotReady."""

    def __init__(self, client: Client, catalog: Catalog, settings: Settings) -> None:
        self._client = client
        self._catalog = catalog
        self._settings = settings
        self._address = temporal_address(settings)
        ui = settings.temporal_ui_url.rstrip("/")
        self._addresses = Addresses("/api/v1/tasks/", f"{ui}/namespaces/{client.namespace}/workflows/")
        self._silent_until = 0.0

    async def create(self, body: CreateTask, *, key: str | None = None) -> Started:
        """Start a task. The same idempotency key and body give the first task again.

        Raises:
            TaskRefused: no such agent, or its model, tools or start time can't be used.
            IdempotencyConflict: the key was used for another body.
        """
        agent = self._agent(body)
        delay = _delay(body.start_at)
        message = user_message(body.content())
        title = title_of(message)
        hashed = body_hash(body) if key is not None else None
        task_id = new_task_id() if key is None else id_for_key(key)
        created_at = datetime.now(UTC)
        try:
            async with asking(self._address):
                await self._client.start_workflow(
                    WORKFLOW_TYPE,
                    TaskInput(agent=agent, message=message),
                    id=task_id,
                    task_queue=self._settings.task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    memo=memo_for(body, title, hashed),
                    search_attributes=search_attributes_for(body, agent),
                    static_summary=title,
                    static_details=f"Agent **{agent.name}** on {', '.join(agent.models)}",
                    start_delay=delay,
                    rpc_timeout=RPC_TIMEOUT,
                )
        except WorkflowAlreadyStartedError:
            return Started(await self._first_of(task_id, hashed), new=False)
        task = Task(
            id=task_id,
            agent=agent.name,
            status="queued",
            title=title,
            input=input_of(message),
            tags=tuple(dict.fromkeys(body.tags)),
            metadata=body.metadata,
            user=body.user,
            created_at=created_at,
            links=self._addresses.links(task_id),
        )
        return Started(task, new=True)

    async def get(self, task_id: str) -> Task:
        """Return a task as it stands.

        Raises:
            TaskNotFound: there is none of this id.
        """
        handle = self._handle(task_id)
        converter = self._converter(task_id)
        async with asking(self._address, task_id):
            execution = await self._describe(handle)
            task = await listed(execution, self._addresses)
            opening = await read_opening(handle, converter)
            task = task.model_copy(update=opening)
            if execution.status is not WorkflowExecutionStatus.RUNNING:
                task = await read_ending(task, handle, converter)
            if execution.status not in (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED):
                task = await self._with_own_view(task, handle)
            return task

    async def describe(self, task_id: str) -> WorkflowExecutionDescription:
        """Return what Temporal says of the task's newest part.

        Raises:
            TaskNotFound: there is none of this id.
        """
        handle = self._handle(task_id)
        async with asking(self._address, task_id):
            return await self._describe(handle)

    async def wait(self, task_id: str, seconds: float) -> None:
        """Return when the task has ended, after ``seconds`` at the latest.

        Raises:
            TaskNotFound: there is none of this id.
        """
        handle = self._handle(task_id)
        async with asking(self._address, task_id, seconds=seconds + RPC_TIMEOUT.total_seconds()):
            await self._describe(handle)
            with suppress(WorkflowFailureError, TimeoutError):
                async with asyncio.timeout(seconds):
                    await handle.result()

    async def list(self, wanted: TaskFilter, *, limit: int, cursor: str | None = None) -> TaskList:
        """Return a page of tasks, newest first.

        Raises:
            CursorInvalid: the cursor isn't one of this list.
        """
        query = wanted.query()
        after = Cursor.decode(cursor, query) if cursor is not None else None
        async with asking(self._address):
            found, count = await asyncio.gather(
                newest(self._client, query, after, limit + 1),
                self._client.count_workflows(query, rpc_timeout=RPC_TIMEOUT),
            )
            page = found[:limit]
            tasks = [await listed(execution, self._addresses) for execution in page]
        more = Cursor.at(page[-1]).encode(query) if len(found) > limit else None
        return TaskList(tasks=tuple(tasks), next_cursor=more, total=count.count)

    async def transcript(self, task_id: str, *, start: int, limit: int) -> Transcript:
        """Return a part of the transcript, ``limit`` messages at most, fewer when they are large.

        Raises:
            TaskNotFound: there is none of this id.
            WorkersSilent: no worker answers; only they can read a transcript.
        """
        handle = self._handle(task_id)
        async with asking(self._address, task_id, seconds=30):
            await self._describe(handle)
            if not await workers_poll(self._client, self._settings.task_queue):
                raise self._silent("none polls")
            try:
                page: TranscriptPage = await handle.query(
                    "transcript",
                    TranscriptRange(start=start, end=start + limit),
                    result_type=TranscriptPage,
                    rpc_timeout=_TRANSCRIPT_TIMEOUT,
                )
            except WorkflowQueryFailedError as error:
                raise self._silent(str(error)) from error
            except RPCError as error:
                if error.status is RPCStatusCode.UNAVAILABLE:
                    raise
                raise self._silent(error.message) from error
        end = start + len(page.messages)
        following = end if page.messages and end < page.total else None
        return Transcript(start=start, messages=page.messages, total=page.total, next_start=following)

    async def cancel(self, task_id: str) -> Task:
        """Ask the task to stop; it ends soon afterwards, and says how far it came.

        Raises:
            TaskNotFound: there is none of this id.
            TaskEnded: it has ended.
        """
        handle = await self._running(task_id)
        async with asking(self._address, task_id):
            await handle.cancel(reason="Cancelled through the API", rpc_timeout=RPC_TIMEOUT)
        return await self.get(task_id)

    async def terminate(self, task_id: str) -> Task:
        """End the task at once, whatever it is doing, worker or no worker.

        Raises:
            TaskNotFound: there is none of this id.
            TaskEnded: it has ended.
        """
        handle = await self._running(task_id)
        try:
            async with asking(self._address, task_id):
                await handle.terminate(reason="Terminated through the API", rpc_timeout=RPC_TIMEOUT)
        except TaskNotFound:  # Temporal's answer when it ended since we looked
            raise TaskEnded(task_id, (await self.get(task_id)).status) from None
        return await self.get(task_id)

    def _agent(self, body: CreateTask) -> AgentSpec:
        field = "model"
        try:
            if body.model is not None:
                split_model(body.model)
            field = "output_schema"
            if body.output_schema is not None:
                check_schema(body.output_schema)
            field = "agent" if body.agent_spec is None else "agent_spec"
            limits, schema = body.limit_changes(), body.output_schema
            if body.agent_spec is not None:
                spec = self._catalog.resolve(body.agent_spec, model=body.model, limits=limits, output_schema=schema)
            else:
                spec = self._catalog.spec(body.agent or "", model=body.model, limits=limits, output_schema=schema)
        except ConfigurationInvalid as error:
            raise TaskRefused(str(error), field=field) from error
        if lacking := lacking_key(spec, self._settings):
            raise TaskRefused(lacking, field="model" if body.model else field)
        return spec

    async def _first_of(self, task_id: str, hashed: str | None) -> Task:
        task = await self.get(task_id)
        async with asking(self._address, task_id):
            execution = await self._describe(self._handle(task_id))
            same = await execution.memo_value(MEMO_BODY_HASH, default=None) == hashed
        if not same:
            raise IdempotencyConflict(
                f"This Idempotency-Key started task {task_id!r} with another body. Take a new key for a new task."
            )
        return task

    def _handle(self, task_id: str) -> _Handle:
        if not 0 < len(task_id.encode(errors="replace")) <= _LONGEST_ID or not task_id.isprintable():
            raise TaskNotFound(task_id)
        return self._client.get_workflow_handle(task_id)

    def _converter(self, task_id: str) -> DataConverter:
        return self._client.data_converter.with_context(
            WorkflowSerializationContext(namespace=self._client.namespace, workflow_id=task_id)
        )

    async def _describe(self, handle: _Handle) -> WorkflowExecutionDescription:
        """Return the workflow's description; only those of our type are tasks."""
        execution = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        if execution.workflow_type != WORKFLOW_TYPE:
            raise TaskNotFound(handle.id)
        return execution

    async def _running(self, task_id: str) -> _Handle:
        handle = self._handle(task_id)
        async with asking(self._address, task_id):
            execution: WorkflowExecution = await self._describe(handle)
            if execution.status is not WorkflowExecutionStatus.RUNNING:
                raise TaskEnded(task_id, (await listed(execution, self._addresses)).status)
        return handle

    async def _with_own_view(self, task: Task, handle: _Handle) -> Task:
        """Ask the workflow itself; when no worker answers, what was last recorded has to do.

        A queued task has nothing to say yet, and Temporal answers nothing else about it while such a query waits.
        """
        if task.status == "queued" or time.monotonic() < self._silent_until:
            return task
        try:
            view: TaskView = await handle.query("status", result_type=TaskView, rpc_timeout=_VIEW_TIMEOUT)
        except (RPCError, WorkflowQueryFailedError) as error:
            if isinstance(error, RPCError) and error.status is not RPCStatusCode.FAILED_PRECONDITION:
                self._silent_until = time.monotonic() + _SILENCE
            return task
        return with_view(task, view)

    def _silent(self, reason: str) -> WorkersSilent:
        return WorkersSilent(
            f"No worker on task queue {self._settings.task_queue!r} could read the transcript ({reason}). "
            "Start one (`opspawn dev`, or `python worker.py`) and ask again; the task itself is safe."
        )


def _delay(start_at: datetime | None) -> timedelta | None:
    if start_at is None:
        return None
    delay = start_at - datetime.now(UTC)
    if delay > _FARTHEST_START:
        raise TaskRefused("start_at lies more than a year ahead. Take an earlier time.", field="start_at")
    return delay if delay > timedelta() else None
