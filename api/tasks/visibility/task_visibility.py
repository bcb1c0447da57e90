"""What Temporal's visibility holds of a task: search attributes and memo, as a new task gets them and as lists read
them. A field of a task that lists show is added here, in both.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

from pydantic import JsonValue, TypeAdapter, ValidationError
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from agentkit.input_requests import InputRequest
from agentkit.messages import Message, Usage
from agentkit.telemetry import current_trace
from api.tasks.payload_decoding import payload_unavailable
from api.tasks.requests.task_requests import NewTask
from api.tasks.stalled_workflow import listed_stall
from api.tasks.task_snapshot import ForkOrigin, TaskLinks, TaskSnapshot, TaskUrls, TaskUsage, input_content
from api.tasks.visibility.tenant_access import own_tenant, tenant_of
from workflows.search_attributes import (
    AGENT,
    CONVERSATION,
    MEMO_BODY_HASH,
    MEMO_FORKED_FROM,
    MEMO_INPUT_REQUESTS,
    MEMO_METADATA,
    MEMO_TITLE,
    MEMO_TRACEPARENT,
    MEMO_USAGE,
    MEMO_USER,
    PARENT,
    STATUS,
    STEPS,
    TAGS,
    TENANT,
)
from workflows.task_types import RunningStatus, TaskStatus

__all__ = [
    "RUNNING_STATUSES",
    "fork_origin",
    "listed_input_requests",
    "listed_labels",
    "listed_task",
    "memo_metadata",
    "memo_usage",
    "memo_value",
    "new_task_memo",
    "new_task_search_attributes",
    "open_request",
    "queued_task",
    "visible_status",
]

RUNNING_STATUSES: frozenset[TaskStatus] = frozenset(get_args(RunningStatus))

_ENDED: dict[WorkflowExecutionStatus, TaskStatus] = {
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed_out",
}
_MEMO_KEYS = (MEMO_TITLE, MEMO_USAGE, MEMO_METADATA, MEMO_USER, MEMO_FORKED_FROM, MEMO_INPUT_REQUESTS)
_RUNNING_STATUS: TypeAdapter[RunningStatus] = TypeAdapter(RunningStatus)
_INPUT_REQUESTS: TypeAdapter[list[InputRequest]] = TypeAdapter(list[InputRequest])
_METADATA: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


def new_task_search_attributes(task: NewTask, agent: str) -> TypedSearchAttributes:
    """Return what lists filter by. The task belongs to the current principal's tenant."""
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(STATUS, "queued"),
        SearchAttributePair(AGENT, agent),
        SearchAttributePair(TENANT, own_tenant()),
    ]
    if task.tags:
        pairs.append(SearchAttributePair(TAGS, list(task.unique_tags)))
    return TypedSearchAttributes(pairs)


def new_task_memo(
    task: NewTask, title: str, request_hash: str | None = None, forked_from: ForkOrigin | None = None
) -> dict[str, object]:
    """Return what lists show beside the search attributes; with the request's hash for an idempotency key."""
    memo: dict[str, object] = {MEMO_TITLE: title}
    if task.metadata:
        memo[MEMO_METADATA] = task.metadata
    if task.user is not None:
        memo[MEMO_USER] = task.user
    if request_hash is not None:
        memo[MEMO_BODY_HASH] = request_hash
    if (caller := current_trace()) is not None:
        memo[MEMO_TRACEPARENT] = str(caller)
    if forked_from is not None:
        memo[MEMO_FORKED_FROM] = forked_from.model_dump()
    return memo


def queued_task(
    new_task: NewTask,
    *,
    task_id: str,
    agent: str,
    title: str,
    message: Message,
    created_at: datetime,
    links: TaskLinks,
    forked_from: ForkOrigin | None = None,
) -> TaskSnapshot:
    """Return the snapshot of a task that was just started, as lists and its history will show it later."""
    return TaskSnapshot(
        id=task_id,
        agent=agent,
        status="queued",
        title=title,
        input=input_content(message),
        forked_from=forked_from,
        tags=new_task.unique_tags,
        metadata=new_task.metadata,
        user=new_task.user,
        tenant=own_tenant(),
        created_at=created_at,
        links=links,
    )


async def listed_task(execution: WorkflowExecution, urls: TaskUrls, *, complete: bool = False) -> TaskSnapshot:
    """Return a task from Temporal's visibility, which has no input, output, error and start.

    What can't be read of its memo is left out, so that the other tasks of a list are shown; not if it is to be
    ``complete``.

    Raises:
        PayloadUnavailable: it is to be complete, and some of its memo can't be read.
    """
    memo = {key: await memo_value(execution, key, required=complete) for key in _MEMO_KEYS}
    attributes = execution.typed_search_attributes
    user = memo[MEMO_USER]
    agent = attributes.get(AGENT) or ""
    requests = () if execution.close_time else _input_requests(memo[MEMO_INPUT_REQUESTS])
    return TaskSnapshot(
        id=execution.id,
        agent=agent,
        status=visible_status(execution),
        title=str(memo[MEMO_TITLE] or ""),
        usage=memo_usage(memo[MEMO_USAGE]),
        steps=attributes.get(STEPS) or 0,
        conversation_id=attributes.get(CONVERSATION),
        parent_id=attributes.get(PARENT) or _parent_task(execution),
        forked_from=fork_origin(memo[MEMO_FORKED_FROM]),
        tags=tuple(attributes.get(TAGS) or ()),
        metadata=memo_metadata(memo[MEMO_METADATA]),
        user=None if user is None else str(user),
        tenant=tenant_of(execution),
        input_requests=tuple(open_request(request, execution.id, agent) for request in requests),
        stalled=listed_stall(execution),
        created_at=execution.start_time,
        completed_at=execution.close_time,
        links=urls.links(execution.id),
    )


def visible_status(execution: WorkflowExecution) -> TaskStatus:
    """Return a task's status from visibility: Temporal's own if the task has ended, else the recorded one."""
    recorded = execution.typed_search_attributes.get(STATUS)
    ended = _ENDED.get(execution.status) if execution.status else None
    if ended == "failed" and recorded == "timed_out":
        return "timed_out"
    if ended is not None:
        return ended
    return _RUNNING_STATUS.validate_python(recorded) if recorded in RUNNING_STATUSES else "running"


def _parent_task(execution: WorkflowExecution) -> str | None:
    """Return the task that started this one; a turn's parent in Temporal is its conversation, and no task."""
    is_turn = execution.typed_search_attributes.get(CONVERSATION) is not None
    return None if is_turn else execution.parent_id


async def memo_value(execution: WorkflowExecution, key: str, *, required: bool) -> object:
    """Return a value of the memo; None where it has none, or where it can't be read and isn't required."""
    try:
        value: object = await execution.memo_value(key, None)
    except Exception as error:  # the boundary: large values are stored in files, and other clients may encode theirs
        if required:
            raise payload_unavailable(error) from error
        return None
    return value


def memo_metadata(value: object) -> dict[str, str]:
    """Return the ``metadata`` of a memo; empty where it is something else."""
    try:
        return _METADATA.validate_python(value or {})
    except ValidationError:
        return {}


async def listed_input_requests(execution: WorkflowExecution) -> tuple[InputRequest, ...]:
    """Return the pending input requests that visibility has of a task, oldest first; none where they can't be read."""
    if execution.close_time is not None:
        return ()
    return _input_requests(await memo_value(execution, MEMO_INPUT_REQUESTS, required=False))


async def listed_labels(execution: WorkflowExecution) -> dict[str, Any]:
    """Return the ``tags``, ``metadata`` and ``user`` that a task was given."""
    user = await memo_value(execution, MEMO_USER, required=True)
    return {
        "tags": tuple(execution.typed_search_attributes.get(TAGS) or ()),
        "metadata": memo_metadata(await memo_value(execution, MEMO_METADATA, required=True)),
        "user": None if user is None else str(user),
    }


def open_request(request: InputRequest, task_id: str, agent: str) -> dict[str, JsonValue]:
    """Return an input request as clients get it: its JSON, with its task and agent."""
    shown = {"count": request.count, "answers": [], **request.model_dump(mode="json", exclude_none=True)}
    return {**shown, "task_id": task_id, "agent": agent}


def _input_requests(value: object) -> tuple[InputRequest, ...]:
    try:
        return tuple(_INPUT_REQUESTS.validate_python(value or []))
    except ValidationError:
        return ()


def fork_origin(value: object) -> ForkOrigin | None:
    """Return the origin of a fork from its memo; None of another task."""
    try:
        return None if value is None else ForkOrigin.model_validate(value)
    except ValidationError:
        return None


def memo_usage(value: object) -> TaskUsage:
    """Return the ``usage`` of a memo; nothing used where it is something else."""
    try:
        return TaskUsage.of(Usage.model_validate(value or {}))
    except ValidationError:
        return TaskUsage()
