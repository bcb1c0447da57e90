from __future__ import annotations

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from agentkit.validation_messages import Fault, data_path, did_you_mean, faults


class Inner(BaseModel):
    n: int


class Outer(BaseModel, extra="forbid"):
    inner: Inner
    either: int | list[Inner] = 0


def found(kind: type, data: object) -> list[Fault]:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(kind).validate_python(data)
    return faults(raised.value, data)


def test_a_near_name_is_suggested_and_a_far_one_isnt() -> None:
    assert did_you_mean("calculater", ["calculator", "clock"]) == " Did you mean 'calculator'?"
    assert did_you_mean("zzz", ["calculator"]) == ""


def test_a_fault_says_where_what_was_expected_and_what_was_got() -> None:
    [fault] = found(Outer, {"inner": {"n": "x"}})
    assert (fault.key, fault.kind) == ("inner.n", "int_parsing")
    assert fault.text.startswith("expected a valid integer")
    assert fault.text.endswith("got 'x'")


def test_members_of_a_union_are_one_fault_at_the_place_that_was_written() -> None:
    assert [(fault.key, fault.text) for fault in found(Outer, {"inner": {"n": 1}, "either": None})] == [
        ("either", "expected a valid integer or a list, got None")
    ]


def test_the_deepest_fault_of_a_union_is_told() -> None:
    assert [fault.key for fault in found(Outer, {"inner": {"n": 1}, "either": [{"n": 1}, {"n": "x"}]})] == [
        "either.1.n"
    ]


def test_missing_and_unknown_keys_are_named() -> None:
    assert {fault.key: fault.text for fault in found(Outer, {"iner": 1})} == {
        "inner": "required, but missing",
        "iner": "unknown",
    }


def test_long_values_are_shortened() -> None:
    [fault] = found(int, "x" * 1000)
    assert len(fault.text) < 200
    assert fault.text.endswith("...")


@pytest.mark.parametrize(
    ("loc", "data", "path"),
    [
        ((), {}, ()),
        (("a",), {"a": 1}, ("a",)),
        (("a", 1, "b"), {"a": [0, {"b": 1}]}, ("a", 1, "b")),
        (("input", "parts", 0, "text", "x"), {"input": [{"text": "hi", "x": 1}]}, ("input", 0, "x")),
        (("input", "parts", 0, "text", "text"), {"input": [{"text": 5}]}, ("input", 0, "text")),
        (("input", "text"), {"input": "", "text": 1}, ("input",)),
        (("model", "str"), {"model": 5}, ("model",)),
        (("m", "k", "[key]"), {"m": {"k": 1}}, ("m", "k")),
        (("gone",), None, ()),
    ],
)
def test_members_of_unions_are_left_out_of_a_path(
    loc: tuple[str | int, ...], data: object, path: tuple[str | int, ...]
) -> None:
    assert data_path(loc, data) == path


def test_a_path_may_end_at_a_missing_key() -> None:
    loc = ("input", "parts", 0, "text", "text")
    assert data_path(loc, {"input": [{"type": "text"}]}, missing=True) == ("input", 0, "text")


def test_a_path_through_equal_keys_is_found_quickly() -> None:
    data: dict[str, object] = {}
    for _ in range(100):
        data = {"a": data}
    assert len(data_path(["a"] * 100 + ["b"], data)) == 100
