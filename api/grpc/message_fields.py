"""Read the fields that several of gRPC's requests have, for the requests of ``api.tasks`` and ``api.conversations``."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, Protocol

from google.protobuf.struct_pb2 import Struct, Value
from pydantic import JsonValue

from api.grpc.json_values import NotJSON, from_struct, from_value
from api.proto.opspawn.v1 import tasks_pb2
from api.tasks.errors import FieldIssue, RequestInvalid
from api.tasks.starting.task_start import IDEMPOTENCY_KEY_RULE, is_idempotency_key

__all__ = [
    "Fields",
    "duration_field",
    "enum_word",
    "idempotency_key",
    "input_fields",
    "invalid_field",
    "limits_fields",
    "object_field",
    "present_fields",
    "time_field",
    "value_field",
]

Fields = dict[str, object]


class _Timestamp(Protocol):
    def ToDatetime(self, tzinfo: None = None) -> datetime: ...


class _Duration(Protocol):
    @property
    def seconds(self) -> int: ...
    @property
    def nanos(self) -> int: ...


class _Enum(Protocol):
    def items(self) -> Iterable[tuple[str, int]]: ...


class _Keyed(Protocol):
    @property
    def idempotency_key(self) -> str: ...
    def HasField(self, field_name: Literal["idempotency_key"]) -> bool: ...


def idempotency_key(request: _Keyed) -> str | None:
    """Return the idempotency key, if any.

    Raises:
        RequestInvalid: the text can't be a key.
    """
    if not request.HasField("idempotency_key"):
        return None
    if not is_idempotency_key(request.idempotency_key):
        raise invalid_field("idempotency_key", IDEMPOTENCY_KEY_RULE)
    return request.idempotency_key


def duration_field(duration: _Duration) -> float:
    """Return a duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def present_fields(fields: Fields) -> Fields:
    """Return the fields that the request sets."""
    return {name: value for name, value in fields.items() if value is not None}


def invalid_field(field: str, text: str) -> RequestInvalid:
    """Return the error of a field that breaks a rule."""
    return RequestInvalid(FieldIssue((field,), text))


def input_fields(message: tasks_pb2.Input) -> str | list[Fields] | Fields:
    """Return an input as ``api.tasks`` takes it.

    Raises:
        RequestInvalid: it is of several kinds.
    """
    if message.HasField("prompt"):
        if message.text or message.parts:
            raise invalid_field("input", "Give text, parts or a prompt, and not several of them")
        return {"prompt": message.prompt.prompt, "arguments": dict(message.prompt.arguments)}
    if not message.parts:
        return message.text
    if message.text:
        raise invalid_field("input", "Give either text or parts")
    return [_part(part) for part in message.parts]


def _part(part: tasks_pb2.InputPart) -> Fields:
    if part.HasField("file"):
        file = part.file
        data = base64.b64encode(file.data).decode()
        return {"type": "file", "data": data, "media_type": file.media_type, "name": file.name or None}
    if part.HasField("resource"):
        return {"type": "resource", "uri": part.resource.uri, "server": part.resource.server}
    if not part.HasField("image"):
        return {"type": "text", "text": part.text}
    image = part.image
    fields: Fields = {"type": "image"}
    if image.url:
        fields["url"] = image.url
    if image.data:
        fields["data"] = base64.b64encode(image.data).decode()
    if image.media_type:
        fields["media_type"] = image.media_type
    return fields


def limits_fields(limits: tasks_pb2.LimitsChange) -> Fields:
    """Return the limits that the message sets."""
    fields: Fields = {}
    if limits.HasField("max_steps"):
        fields["max_steps"] = limits.max_steps
    if limits.HasField("max_tokens"):
        fields["max_tokens"] = limits.max_tokens
    if limits.HasField("max_cost_usd"):
        fields["max_cost_usd"] = limits.max_cost_usd
    if limits.HasField("max_repeats"):
        fields["max_repeats"] = limits.max_repeats
    if limits.HasField("deadline"):
        fields["deadline"] = duration_field(limits.deadline)
    if limits.on_exhausted:
        fields["on_exhausted"] = enum_word(tasks_pb2.OnExhausted, limits.on_exhausted, "ON_EXHAUSTED_")
    return fields


def enum_word(enum: _Enum, number: int, prefix: str) -> str:
    """Return the word of ``api.tasks`` for a value; an unknown one stays a number, which no rule accepts."""
    names = {value: name for name, value in enum.items()}
    return names.get(number, str(number)).removeprefix(prefix).lower()


def object_field(field: str, struct: Struct) -> dict[str, JsonValue]:
    """Return a field's value as a JSON object.

    Raises:
        RequestInvalid: it has numbers that JSON doesn't have.
    """
    try:
        return from_struct(struct)
    except NotJSON as error:
        raise invalid_field(field, str(error)) from None


def value_field(field: str, value: Value) -> JsonValue:
    """Return a field's value as JSON.

    Raises:
        RequestInvalid: it has numbers that JSON doesn't have.
    """
    try:
        return from_value(value)
    except NotJSON as error:
        raise invalid_field(field, str(error)) from None


def time_field(field: str, timestamp: _Timestamp) -> datetime:
    """Return a field's value as a time.

    Raises:
        RequestInvalid: it is none.
    """
    try:
        return timestamp.ToDatetime().replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise invalid_field(field, "Expected a time between the years 1 and 9999") from None
