"""Map gRPC's requests to those of ``api.tasks``, whose rules hold for them."""

from __future__ import annotations

from api.grpc.message_fields import (
    Fields,
    duration_field,
    enum_word,
    input_fields,
    invalid_field,
    limits_fields,
    object_field,
    present_fields,
    time_field,
    value_field,
)
from api.proto.opspawn.v1 import tasks_pb2
from api.tasks.requests.request_validation import parse_request
from api.tasks.requests.steering_requests import AnswerRequest
from api.tasks.requests.task_requests import MAX_WAIT_S, NewTask, TaskListRequest

__all__ = ["answer_request", "new_task", "task_list_request", "wait_seconds"]


def new_task(request: tasks_pb2.CreateTaskRequest) -> NewTask:
    """Return the task to create.

    Raises:
        RequestInvalid: names the fields.
    """
    has_schema = request.HasField("output_schema")
    fields: Fields = {
        "agent": request.agent if request.HasField("agent") else None,
        "agent_spec": object_field("agent_spec", request.agent_spec) if request.HasField("agent_spec") else None,
        "input": input_fields(request.input) if request.HasField("input") else None,
        "conversation_id": request.conversation_id or None,
        "model": request.model or None,
        "output_schema": object_field("output_schema", request.output_schema) if has_schema else None,
        "limits": limits_fields(request.limits) if request.HasField("limits") else None,
        "tags": list(request.tags) or None,
        "metadata": dict(request.metadata) or None,
        "user": request.user or None,
        "start_at": time_field("start_at", request.start_at) if request.HasField("start_at") else None,
    }
    return parse_request(NewTask, present_fields(fields))


def answer_request(request: tasks_pb2.AnswerInputRequest) -> AnswerRequest:
    """Return the answer, without the ids of its task and input request.

    Raises:
        RequestInvalid: names the fields.
    """
    fields: Fields = {
        "decision": enum_word(tasks_pb2.Decision, request.decision, "DECISION_"),
        "arguments": object_field("arguments", request.arguments) if request.HasField("arguments") else None,
        "answer": value_field("answer", request.answer) if request.HasField("answer") else None,
        "result": value_field("result", request.result) if request.HasField("result") else None,
        "limits": limits_fields(request.limits) if request.HasField("limits") else None,
        "remember": enum_word(tasks_pb2.Remember, request.remember, "REMEMBER_") if request.remember else None,
        "comment": request.comment or None,
        "answered_by": request.answered_by or None,
        "groups": list(request.groups) or None,
        "sha256": request.sha256 or None,
    }
    return parse_request(AnswerRequest, present_fields(fields))


def task_list_request(request: tasks_pb2.ListTasksRequest) -> TaskListRequest:
    """Return the filters and the page.

    Raises:
        RequestInvalid: names the fields.
    """
    after, before = "created_after", "created_before"
    fields: Fields = {
        "status": [enum_word(tasks_pb2.TaskStatus, number, "TASK_STATUS_") for number in request.status] or None,
        "agent": request.agent or None,
        "conversation_id": request.conversation_id or None,
        "parent_id": request.parent_id or None,
        "tag": request.tag or None,
        "tenant": request.tenant or None,
        after: time_field(after, request.created_after) if request.HasField("created_after") else None,
        before: time_field(before, request.created_before) if request.HasField("created_before") else None,
        "limit": request.limit or None,
        "cursor": request.cursor or None,
    }
    return parse_request(TaskListRequest, present_fields(fields))


def wait_seconds(request: tasks_pb2.GetTaskRequest) -> float:
    """Return how long to wait for a task's end, in seconds.

    Raises:
        RequestInvalid: the wait is negative or too long.
    """
    seconds = duration_field(request.wait)
    if not 0 <= seconds <= MAX_WAIT_S:
        raise invalid_field("wait", f"Take 0 to {MAX_WAIT_S:g} seconds")
    return seconds
