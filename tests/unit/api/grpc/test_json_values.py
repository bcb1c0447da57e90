"""JSON as protobuf holds it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from api.grpc.json_values import NotJSON, from_struct, to_struct, to_value
from api.proto.opspawn.v1 import tasks_pb2

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
ANY = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


@given(st.dictionaries(TEXT, ANY, max_size=4))
def test_an_object_comes_back_as_it_was(values: dict[str, JsonValue]) -> None:
    assert from_struct(to_struct(values)) == values


@given(ANY)
def test_any_client_reads_the_same_json(value: JsonValue) -> None:
    assert MessageToDict(to_value(value)) == value


def test_whole_numbers_come_back_as_integers() -> None:
    back = from_struct(to_struct({"minLength": 3, "half": 0.5}))
    assert json.dumps(back, sort_keys=True) == '{"half": 0.5, "minLength": 3}'


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 10**400], ids=["above", "below", "huge"])
def test_an_integer_that_a_double_does_not_hold_becomes_text(number: int) -> None:
    assert to_value(number).string_value == str(number)


def nested(levels: int, *, in_objects: bool) -> JsonValue:
    value: JsonValue = "x"
    for _ in range(levels):
        value = {"a": value} if in_objects else [value]
    return value


@pytest.mark.parametrize("in_objects", [True, False], ids=["objects", "lists"])
def test_what_is_nested_too_deeply_for_protobuf_becomes_text(in_objects: bool) -> None:
    deep = nested(200, in_objects=in_objects)
    task = tasks_pb2.Task.FromString(tasks_pb2.Task(output=to_value(deep)).SerializeToString())
    event = tasks_pb2.Event.FromString(tasks_pb2.Event(data=to_struct({"a": deep})).SerializeToString())
    for message in (task.output, event.data.fields["a"]):
        read: Any = MessageToDict(message)
        levels = 0
        while not isinstance(read, str):
            read, levels = (read["a"] if in_objects else read[0]), levels + 1
        assert json.loads(read) == nested(200 - levels, in_objects=in_objects)
        assert levels >= 29


@pytest.mark.parametrize("number", [float("nan"), float("inf")], ids=str)
def test_nan_and_infinity_are_refused(number: float) -> None:
    with pytest.raises(NotJSON, match="no numbers in JSON"):
        from_struct(Struct(fields={"x": Value(number_value=number)}))
