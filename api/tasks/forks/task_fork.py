"""Fork tasks: start new ones that go on from a step of others, with copies of their messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecutionDescription

from activities.settings import Settings
from agentkit.catalog.catalog import Catalog
from agentkit.messages import InputPart, Message, TextPart, user_message
from agentkit.specs import AgentSpec
from api.tasks.errors import TaskNotFound, TaskRefused
from api.tasks.forks.fork_copies import ForkCopies
from api.tasks.forks.fork_notice import fork_notice
from api.tasks.requests.steering_requests import ForkRequest
from api.tasks.requests.task_requests import NewTask
from api.tasks.starting.agent_choice import AgentChoice
from api.tasks.starting.idempotency_keys import IdempotencyKey
from api.tasks.starting.referenced_input import ReferencedInput
from api.tasks.starting.task_start import new_task_id, request_hash, task_title
from api.tasks.starting.task_starter import TaskStarter
from api.tasks.task_reading import read_task_input
from api.tasks.task_service import TaskService
from api.tasks.task_snapshot import CreatedTask, ForkOrigin
from api.tasks.task_transcripts import TaskTranscripts
from api.tasks.task_workflows import TaskHandle, TaskWorkflows
from api.tasks.visibility.task_visibility import fork_origin, listed_labels, memo_value
from api.tasks.visibility.tenant_access import acting_for
from api.tasks.workers.worker_queries import QUERY_CALLS_TIMEOUT_S, WorkerQueries
from workflows.search_attributes import MEMO_FORKED_FROM
from workflows.task_types import StepEnds, TaskInput, ToolCallLedger

__all__ = ["TaskForks"]

_ERASED = "Temporal erases ended tasks after the namespace's retention; what is erased can't be forked."


@dataclass(frozen=True, slots=True)
class _Source:
    """What a fork needs of the task that it goes on from."""

    execution: WorkflowExecutionDescription
    agent: AgentSpec
    messages: Sequence[Message]
    """Those that both have in common."""
    notice: str


class TaskForks:
    """Forks tasks, running and ended ones.

    Every method may raise TemporalUnreachable, TemporalNotReady and PayloadUnavailable.
    """

    def __init__(self, client: Client, tasks: TaskService, catalog: Catalog, settings: Settings) -> None:
        self._tasks = tasks
        self._workflows = TaskWorkflows(client, settings)
        self._queries = WorkerQueries(client, settings)
        self._transcripts = TaskTranscripts(client, self._queries)
        self._agents = AgentChoice(catalog, settings)
        self._starter = TaskStarter(client, settings)
        self._input = ReferencedInput(client, settings)
        self._copies = ForkCopies(client, settings, self._workflows)
        self._notify = settings.input_webhook is not None

    async def fork(self, task_id: str, request: ForkRequest, *, key: str | None = None) -> CreatedTask:
        """Start a task that goes on from a step of another. The same idempotency key and request return it again.

        The fork belongs to the tenant of the other task; the key to the principal's own.

        Raises:
            TaskNotFound: the other task is gone.
            TaskRefused: it has no such step, or the agent can't be used.
            WorkerUnavailable: no worker responds; only they can read the other task, and prompts and resources.
            McpServerFailed, McpServerTimedOut: the MCP server of a prompt or resource can't be used now.
            IdempotencyConflict: the key was used for another request.
            TenantLimited, TenantSpent: the tenant may start no task now.
        """
        tenant = await self._workflows.tenant_of_continuation(task_id)
        with acting_for(tenant):
            suffix = await self._workflows.id_suffix(None, source_id=task_id)
        hashed = request_hash(request, forked_task=task_id)
        request_key = None if key is None else await self._starter.idempotency_key(key, hashed, id_suffix=suffix)
        if request_key is not None and await self._starter.was_started(request_key):
            return CreatedTask(await self._tasks.get(request_key.workflow_id), is_new=False)
        with acting_for(tenant):
            return await self._start(task_id, request, request_key, suffix)

    async def _start(
        self, task_id: str, request: ForkRequest, request_key: IdempotencyKey | None, suffix: str
    ) -> CreatedTask:
        source = await self._source(task_id, request.from_step)
        agent = self._agent(request, source.agent)
        content = () if request.input is None else await self._input.resolve(request.input)
        message = user_message((TextPart(text=source.notice), *_parts(content)))
        labels = await listed_labels(source.execution)
        new_task = NewTask.model_construct(agent=agent.name, input=source.notice, **labels)
        origin = ForkOrigin(task_id=task_id, step=request.from_step)
        title = task_title(user_message(content)) if content else f"Fork of {task_id} after step {request.from_step}"
        fork_id = new_task_id() + suffix if request_key is None else request_key.workflow_id
        async with self._copies.copied(fork_id, source.messages, has_key=request_key is not None) as copied:
            task_input = TaskInput(
                agent=agent,
                message=message,
                copied=copied.pages,
                copied_digest=copied.digest,
                first_step=request.from_step,
                notify=self._notify,
            )
            task = await self._starter.start(
                new_task, task_input, title, key=request_key, forked_from=origin, task_id=fork_id
            )
        if task is None:
            return CreatedTask(await self._tasks.get(request_key.workflow_id if request_key else ""), is_new=False)
        return CreatedTask(task, is_new=True)

    def _agent(self, request: ForkRequest, own: AgentSpec) -> AgentSpec:
        if request.agent is not None:
            return self._agents.named(request.agent, request.model, request.limit_changes)
        return self._agents.changed(own, request.model, request.limit_changes)

    async def _source(self, task_id: str, step: int) -> _Source:
        """Return what a fork after this step of the task needs."""
        handle = self._workflows.handle(task_id)
        try:
            async with self._workflows.calling(task_id, timeout_s=QUERY_CALLS_TIMEOUT_S):
                execution = await self._workflows.describe(handle)
                task_input = await read_task_input(handle, self._workflows.converter(task_id))
                if task_input is None:
                    raise TaskRefused("The task is of a release whose tasks can't be forked.", path=())
                ends = await self._queries.query(handle, execution, "step_ends", StepEnds)
                end, version = _end_of(step, ends, await _origin(execution)), ends.version_of(step)
                ledger = await self._queries.query(handle, execution, "tool_calls", ToolCallLedger)
                messages = [message async for message in self._transcripts.messages(handle, execution, version=version)]
                later = [*messages[end:], *await self._later_messages(handle, execution, ends, version)]
        except TaskNotFound:
            raise TaskNotFound(task_id, _ERASED) from None
        return _Source(
            execution,
            task_input.agent,
            messages[:end],
            fork_notice(task_id, step, ledger.tool_calls, later),
        )

    async def _later_messages(
        self, handle: TaskHandle, execution: WorkflowExecutionDescription, ends: StepEnds, version: int
    ) -> Sequence[Message]:
        """Return the messages that came after a version of the transcript was shortened."""
        written = [*(replaced.written for replaced in ends.replaced), ends.written]
        return [
            message
            for later in range(version + 1, len(written) + 1)
            async for message in self._transcripts.messages(handle, execution, start=written[later - 1], version=later)
        ]


async def _origin(execution: WorkflowExecutionDescription) -> str | None:
    """Return the id of the task that this one was forked from, if it was."""
    origin = fork_origin(await memo_value(execution, MEMO_FORKED_FROM, required=False))
    return None if origin is None else origin.task_id


def _end_of(step: int, step_ends: StepEnds, source: str | None) -> int:
    """Return the position after a step.

    Raises:
        TaskRefused: the step is not finished, or not this task's.
    """
    first, last = step_ends.first_step, step_ends.first_step + len(step_ends.ends) - 1
    if first <= step <= last:
        return step_ends.ends[step - first]
    if step < first and source is not None:
        text = f"Step {step} is not the task's own: it is a fork of {source} after step {first}. Fork {source} instead."
    else:
        steps = f"step {first}" if first == last else f"the steps {first} to {last}"
        text = f"The task has not finished step {step}. It can be forked after {steps}."
    raise TaskRefused(text, path=("from_step",))


def _parts(content: str | tuple[InputPart, ...]) -> tuple[InputPart, ...]:
    return (TextPart(text=content),) if isinstance(content, str) else content
