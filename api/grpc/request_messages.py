"""Map gRPC's requests to those of ``api.tasks``, whose rules hold for them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

from google.protobuf.struct_pb2 import Struct, Value
from pydantic import JsonValue

from api.grpc.json_values import NotJSON, from_struct, from_value
from api.proto.opspawn.v1 import tasks_pb2
from api.tasks.errors import FieldIssue, RequestInvalid
from api.tasks.request_validation import parse_request
from api.tasks.steering_requests import AnswerRequest
from api.tasks.task_requests import MAX_WAIT_S, NewTask, TaskListRequest
from api.tasks.task_start import IDEMPOTENCY_KEY_RULE, is_idempotency_key

__all__ = ["answer_request", "idempotency_key", "new_task", "task_list_request", "wait_seconds"]

_Fields = dict[str, object]


class _Timestamp(Protocol):
    def ToDatetime(self, tzinfo: None = None) -> datetime: ...


class _Enum(Protocol):
    def items(self) -> Iterable[tuple[str, int]]: ...


def new_task(request: tasks_pb2.CreateTaskRequest) -> NewTask:
    """Return the task to create.

    Raises:
        RequestInvalid: names the fields.
    """
    fields: _Fields = {
        "agent": request.agent if request.HasField("agent") else None,
        "agent_spec": _object("agent_spec", request.agent_spec) if request.HasField("agent_spec") else None,
        "input": _input(request.input) if request.HasField("input") else None,
        "conversation_id": request.conversation_id or None,
        "model": request.model or None,
        "output_schema": _object("output_schema", request.output_schema) if request.HasField("output_schema") else None,
        "limits": _limits(request.limits) if request.HasField("limits") else None,
        "tags": list(request.tags) or None,
        "metadata": dict(request.metadata) or None,
        "user": request.user or None,
        "start_at": _time("start_at", request.start_at) if request.HasField("start_at") else None,
    }
    return parse_request(NewTask, _present(fields))


def answer_request(request: tasks_pb2.AnswerInputRequest) -> AnswerRequest:
    """Return the answer, without the ids of its task and input request.

    Raises:
        RequestInvalid: names the fields.
    """
    fields: _Fields = {
        "decision": _enum_word(tasks_pb2.Decision, request.decision, "DECISION_"),
        "arguments": _object("arguments", request.arguments) if request.HasField("arguments") else None,
        "answer": _value("answer", request.answer) if request.HasField("answer") else None,
        "result": _value("result", request.result) if request.HasField("result") else None,
        "limits": _limits(request.limits) if request.HasField("limits") else None,
        "remember": _enum_word(tasks_pb2.Remember, request.remember, "REMEMBER_") if request.remember else None,
        "comment": request.comment or None,
        "answered_by": request.answered_by or None,
        "groups": list(request.groups) or None,
        "sha256": request.sha256 or None,
    }
    return parse_request(AnswerRequest, _present(fields))


def idempotency_key(request: tasks_pb2.CreateTaskRequest | tasks_pb2.AnswerInputRequest) -> str | None:
    """Return the idempotency key, if any.

    Raises:
        RequestInvalid: the text can't be a key.
    """
    if not request.HasField("idempotency_key"):
        return None
    if not is_idempotency_key(request.idempotency_key):
        raise _invalid("idempotency_key", IDEMPOTENCY_KEY_RULE)
    return request.idempotency_key


def task_list_request(request: tasks_pb2.ListTasksRequest) -> TaskListRequest:
    """Return the filters and the page.

    Raises:
        RequestInvalid: names the fields.
    """
    after, before = "created_after", "created_before"
    fields: _Fields = {
        "status": [_enum_word(tasks_pb2.TaskStatus, number, "TASK_STATUS_") for number in request.status] or None,
        "agent": request.agent or None,
        "conversation_id": request.conversation_id or None,
        "parent_id": request.parent_id or None,
        "tag": request.tag or None,
        after: _time(after, request.created_after) if request.HasField("created_after") else None,
        before: _time(before, request.created_before) if request.HasField("created_before") else None,
        "limit": request.limit or None,
        "cursor": request.cursor or None,
    }
    return parse_request(TaskListRequest, _present(fields))


def wait_seconds(request: tasks_pb2.GetTaskRequest) -> float:
    """Return how long to wait for a task's end, in seconds.

    Raises:
        RequestInvalid: the wait is negative or too long.
    """
    seconds = request.wait.seconds + request.wait.nanos / 1e9
    if not 0 <= seconds <= MAX_WAIT_S:
        raise _invalid("wait", f"Take 0 to {MAX_WAIT_S:g} seconds")
    return seconds


def _present(fields: _Fields) -> _Fields:
    """Return the fields that the request sets."""
    return {name: value for name, value in fields.items() if value is not None}


def _invalid(field: str, text: str) -> RequestInvalid:
    return RequestInvalid(FieldIssue((field,), text))


def _input(message: tasks_pb2.Input) -> str | list[_Fields] | _Fields:
    if message.HasField("prompt"):
        if message.text or message.parts:
            raise _invalid("input", "Give text, parts or a prompt, and not several of them")
        return {"prompt": message.prompt.prompt, "arguments": dict(message.prompt.arguments)}
    if not message.parts:
        return message.text
    if message.text:
        raise _invalid("input", "Give either text or parts")
    return [_part(part) for part in message.parts]


def _part(part: tasks_pb2.InputPart) -> _Fields:
    if part.HasField("file"):
        file = part.file
        data = base64.b64encode(file.data).decode()
        return {"type": "file", "data": data, "media_type": file.media_type, "name": file.name or None}
    if part.HasField("resource"):
        return {"type": "resource", "uri": part.resource.uri, "server": part.resource.server}
    if not part.HasField("image"):
        return {"type": "text", "text": part.text}
    image = part.image
    fields: _Fields = {"type": "image"}
    if image.url:
        fields["url"] = image.url
    if image.data:
        fields["data"] = base64.b64encode(image.data).decode()
    if image.media_type:
        fields["media_type"] = image.media_type
    return fields


def _limits(limits: tasks_pb2.LimitsChange) -> _Fields:
    fields: _Fields = {}
    if limits.HasField("max_steps"):
        fields["max_steps"] = limits.max_steps
    if limits.HasField("max_tokens"):
        fields["max_tokens"] = limits.max_tokens
    if limits.HasField("max_cost_usd"):
        fields["max_cost_usd"] = limits.max_cost_usd
    if limits.HasField("max_repeats"):
        fields["max_repeats"] = limits.max_repeats
    if limits.HasField("deadline"):
        fields["deadline"] = limits.deadline.seconds + limits.deadline.nanos / 1e9
    if limits.on_exhausted:
        fields["on_exhausted"] = _enum_word(tasks_pb2.OnExhausted, limits.on_exhausted, "ON_EXHAUSTED_")
    return fields


def _enum_word(enum: _Enum, number: int, prefix: str) -> str:
    """Return the word of ``api.tasks`` for a value; an unknown one stays a number, which no rule accepts."""
    names = {value: name for name, value in enum.items()}
    return names.get(number, str(number)).removeprefix(prefix).lower()


def _object(field: str, struct: Struct) -> dict[str, JsonValue]:
    try:
        return from_struct(struct)
    except NotJSON as error:
        raise _invalid(field, str(error)) from None


def _value(field: str, value: Value) -> JsonValue:
    try:
        return from_value(value)
    except NotJSON as error:
        raise _invalid(field, str(error)) from None


def _time(field: str, timestamp: _Timestamp) -> datetime:
    try:
        return timestamp.ToDatetime().replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _invalid(field, "Expected a time between the years 1 and 9999") from None
