"""Map the snapshots of ``api.tasks``, and events, to gRPC's messages."""

from __future__ import annotations

from agentkit.interfaces import DEFAULT_TENANT
from agentkit.messages import FilePart, InputPart, TextPart
from api.events.event import Event
from api.grpc.json_values import to_struct, to_value
from api.proto.opspawn.v1 import tasks_pb2
from api.tasks.task_snapshot import TaskPage, TaskSnapshot

__all__ = ["event_message", "task_list_message", "task_message"]


def task_message(task: TaskSnapshot) -> tasks_pb2.Task:
    """Return a task; fields without a value stay unset."""
    message = tasks_pb2.Task(
        id=task.id,
        agent=task.agent,
        status=tasks_pb2.TaskStatus.Value(f"TASK_STATUS_{task.status.upper()}"),
        title=task.title,
        usage=tasks_pb2.TaskUsage(**task.usage.model_dump()),
        steps=task.steps,
        doing=task.doing,
        waiting_for_worker=task.waiting_for_worker,
        input_requests=map(to_struct, task.input_requests),
        conversation_id=task.conversation_id or "",
        parent_id=task.parent_id or "",
        tags=task.tags,
        metadata=task.metadata,
        user=task.user or "",
        tenant="" if task.tenant == DEFAULT_TENANT else task.tenant,
        links=tasks_pb2.TaskLinks(**task.links),
    )
    message.created_at.FromDatetime(task.created_at)
    if task.started_at is not None:
        message.started_at.FromDatetime(task.started_at)
    if task.completed_at is not None:
        message.completed_at.FromDatetime(task.completed_at)
    if task.input is not None:
        message.input.CopyFrom(_input(task.input))
    if task.output is not None:
        message.output.CopyFrom(to_value(task.output))
    if task.stalled is not None:
        message.stalled.kind = task.stalled.kind
        message.stalled.message = task.stalled.message
        if task.stalled.since is not None:
            message.stalled.since.FromDatetime(task.stalled.since)
    if task.forked_from is not None:
        message.forked_from.CopyFrom(tasks_pb2.ForkOrigin(**task.forked_from.model_dump()))
    if task.error is not None:
        message.error.CopyFrom(tasks_pb2.TaskError(**task.error.model_dump(exclude_none=True)))
    return message


def task_list_message(page: TaskPage) -> tasks_pb2.ListTasksResponse:
    """Return a page of tasks."""
    return tasks_pb2.ListTasksResponse(
        tasks=map(task_message, page.tasks), next_cursor=page.next_cursor or "", total=page.total
    )


def event_message(event: Event) -> tasks_pb2.Event:
    """Return an event; live ones have no id."""
    message = tasks_pb2.Event(
        id=event.id or "",
        type=event.type,
        task_id=event.task_id,
        step=event.step,
        data=to_struct(event.data),
    )
    message.at.FromDatetime(event.at)
    return message


def _input(content: str | tuple[InputPart, ...]) -> tasks_pb2.Input:
    if isinstance(content, str):
        return tasks_pb2.Input(text=content)
    return tasks_pb2.Input(parts=map(_part, content))


def _part(part: InputPart) -> tasks_pb2.InputPart:
    if isinstance(part, TextPart):
        return tasks_pb2.InputPart(text=part.text)
    if isinstance(part, FilePart):
        file = tasks_pb2.File(data=part.data, media_type=part.media_type, name=part.name or "")
        return tasks_pb2.InputPart(file=file)
    image = tasks_pb2.Image(url=part.url or "", data=part.data or b"", media_type=part.media_type or "")
    return tasks_pb2.InputPart(image=image)
