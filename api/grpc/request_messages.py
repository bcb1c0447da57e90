"""Read gRPC's requests as what REST asks for, so that the same rules hold."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from google.protobuf.struct_pb2 import Struct
from pydantic import BaseModel, JsonValue, ValidationError

from api.grpc.json_values import NotJSON, from_struct
from api.grpc.status_mapping import RequestInvalid
from api.proto.opspawn.v1 import tasks_pb2
from api.rest.problems import problem_detail
from api.rest.request_schemas import CreateTask, ListTasks
from api.tasks.task_start import KEY_RULE, is_key

__all__ = ["body_of", "key_of", "query_of", "wait_of"]

_Asked = TypeVar("_Asked", bound=BaseModel)
_Given = dict[str, object]
_LONGEST_WAIT = 60.0


class _Moment(Protocol):
    def ToDatetime(self, tzinfo: None = None) -> datetime: ...


class _Enum(Protocol):
    def items(self) -> Iterable[tuple[str, int]]: ...


def body_of(request: tasks_pb2.CreateTaskRequest) -> CreateTask:
    """Return what to start.

    Raises:
        RequestInvalid: names the fields.
    """
    given: _Given = {
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
        "start_at": _moment("start_at", request.start_at) if request.HasField("start_at") else None,
    }
    return _checked(CreateTask, given)


def key_of(request: tasks_pb2.CreateTaskRequest) -> str | None:
    """Return the idempotency key.

    Raises:
        RequestInvalid: it isn't one.
    """
    if not request.HasField("idempotency_key"):
        return None
    if not is_key(request.idempotency_key):
        raise RequestInvalid(("idempotency_key", KEY_RULE))
    return request.idempotency_key


def query_of(request: tasks_pb2.ListTasksRequest) -> ListTasks:
    """Return what to list.

    Raises:
        RequestInvalid: names the fields.
    """
    before, after = "created_before", "created_after"
    given: _Given = {
        "status": [_name(tasks_pb2.TaskStatus, number, "TASK_STATUS_") for number in request.status] or None,
        "agent": request.agent or None,
        "conversation_id": request.conversation_id or None,
        "parent_id": request.parent_id or None,
        "tag": request.tag or None,
        after: _moment(after, request.created_after) if request.HasField("created_after") else None,
        before: _moment(before, request.created_before) if request.HasField("created_before") else None,
        "limit": request.limit or None,
        "cursor": request.cursor or None,
    }
    return _checked(ListTasks, given)


def wait_of(request: tasks_pb2.GetTaskRequest) -> float:
    """Return the seconds to wait for a task's end.

    Raises:
        RequestInvalid: there are too many, or too few.
    """
    seconds = request.wait.seconds + request.wait.nanos / 1e9
    if not 0 <= seconds <= _LONGEST_WAIT:
        raise RequestInvalid(("wait", f"Take 0 to {_LONGEST_WAIT:g} seconds"))
    return seconds


def _checked(kind: type[_Asked], given: _Given) -> _Asked:
    """Return what was given as REST's rules take it; None stands for what was left out."""
    body = {key: value for key, value in given.items() if value is not None}
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise RequestInvalid(*(_violation(dict(one), body) for one in error.errors())) from None


def _violation(error: Mapping[str, object], body: _Given) -> tuple[str, str]:
    place = error["loc"]
    assert isinstance(place, tuple)
    told = problem_detail({**error, "loc": ("body", *place)}, body)
    return _field_path(told.pointer or "#"), told.detail


def _field_path(pointer: str) -> str:
    """Return a JSON pointer as the path of a field, such as ``input.parts[0].image.url``."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if parts[:1] == ["input"] and len(parts) > 1:
        parts[1:] = ["parts", parts[1], *(["image"] if len(parts) > 2 and parts[2] != "text" else []), *parts[2:]]
    return "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts).removeprefix(".")


def _input(given: tasks_pb2.Input) -> str | list[_Given]:
    if not given.parts:
        return given.text
    if given.text:
        raise RequestInvalid(("input", "Give either text or parts"))
    return [_part(part) for part in given.parts]


def _part(part: tasks_pb2.InputPart) -> _Given:
    if not part.HasField("image"):
        return {"type": "text", "text": part.text}
    image = part.image
    given: _Given = {"type": "image"}
    if image.url:
        given["url"] = image.url
    if image.data:
        given["data"] = base64.b64encode(image.data).decode()
    if image.media_type:
        given["media_type"] = image.media_type
    return given


def _limits(limits: tasks_pb2.LimitsChange) -> _Given:
    given: _Given = {}
    if limits.HasField("max_steps"):
        given["max_steps"] = limits.max_steps
    if limits.HasField("max_tokens"):
        given["max_tokens"] = limits.max_tokens
    if limits.HasField("max_cost_usd"):
        given["max_cost_usd"] = limits.max_cost_usd
    if limits.HasField("deadline"):
        given["deadline"] = limits.deadline.seconds + limits.deadline.nanos / 1e9
    if limits.on_exhausted:
        given["on_exhausted"] = _name(tasks_pb2.OnExhausted, limits.on_exhausted, "ON_EXHAUSTED_")
    return given


def _name(enum: _Enum, number: int, prefix: str) -> str:
    """Return REST's word; the number where there is none, which no rule takes."""
    known = {value: name for name, value in enum.items()}
    return known.get(number, str(number)).removeprefix(prefix).lower()


def _object(field: str, struct: Struct) -> dict[str, JsonValue]:
    try:
        return from_struct(struct)
    except NotJSON as error:
        raise RequestInvalid((field, str(error))) from None


def _moment(field: str, moment: _Moment) -> datetime:
    try:
        return moment.ToDatetime().replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise RequestInvalid((field, "Expected a time between the years 1 and 9999")) from None
