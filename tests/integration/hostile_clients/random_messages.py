"""Random protobuf messages of any type: valid ids among values that no client of good will sends."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

__all__ = ["random_bytes", "random_message"]

_MAX_DEPTH = 5
_TEXTS = (
    "",
    " ",
    "\0",
    "a",
    "assistant",
    "demo:demo",
    "calculator",
    "ü\U0001f600",
    "../../etc/passwd",
    "${HOME}",
    "1e999",
)
_TEXTS_OF_SYNTAX = ("' OR 1=1 --", "task-" + "0" * 26, "[" * 500, '{"a": NaN}', "x" * 70_000, "\u202e\ufeff", "9" * 400)
_NUMBERS = (0, 1, 2, 100, 2**31 - 1)
_FLOATS = (0.0, -1.0, 0.5, 1e308, float("nan"), float("inf"), float("-inf"))


def random_message(kind: Descriptor, random: Random, texts: Sequence[str], depth: int = 0) -> Message:
    """Return a message of a type with about half of its fields set; ``texts`` are ids that exist."""
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if random.random() < 0.5 and depth < _MAX_DEPTH:
            _set(message, field, random, texts, depth)
    return message


def random_bytes(message: Message, random: Random) -> bytes:
    """Return the encoded message with some bytes replaced, removed or added."""
    data = bytearray(message.SerializeToString())
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(data))
        data[at : at + random.randint(0, 2)] = random.randbytes(random.randint(0, 3))
    return bytes(data)


def _set(message: Message, field: FieldDescriptor, random: Random, texts: Sequence[str], depth: int) -> None:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        for _ in range(random.randint(0, 3)):
            entry = random_message(kind, random, texts, depth + 1)
            key, value = getattr(entry, "key"), getattr(entry, "value")  # noqa: B009  # of no type that mypy knows
            entries = getattr(message, field.name)
            if kind.fields_by_name["value"].message_type is None:
                entries[key] = value
            else:
                entries[key].CopyFrom(value)
    elif field.is_repeated:
        values = [_value(field, random, texts, depth) for _ in range(random.choice((0, 1, 3, 40)))]
        getattr(message, field.name).extend(values)
    elif kind is not None:
        getattr(message, field.name).CopyFrom(random_message(kind, random, texts, depth + 1))
    else:
        setattr(message, field.name, _value(field, random, texts, depth))


def _value(field: FieldDescriptor, random: Random, texts: Sequence[str], depth: int) -> object:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_MESSAGE:
            assert field.message_type is not None
            return random_message(field.message_type, random, texts, depth + 1)
        case FieldDescriptor.CPPTYPE_STRING:
            text = random.choice((*texts, *_TEXTS, *_TEXTS_OF_SYNTAX))
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        case FieldDescriptor.CPPTYPE_BOOL:
            return random.random() < 0.5
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return random.choice(_FLOATS)
        case FieldDescriptor.CPPTYPE_INT32 | FieldDescriptor.CPPTYPE_INT64:
            return random.choice((*_NUMBERS, -1, -(2**31)))
        case _:
            return random.choice(_NUMBERS)
