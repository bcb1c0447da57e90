from __future__ import annotations

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from agentkit.validation.validation_messages import ValidationIssue, data_path, did_you_mean, validation_issues


class Inner(BaseModel):
    n: int


class Outer(BaseModel, extra="forbid"):
    inner: Inner
    either: int | list[Inner] = 0


def issues(expected_type: type, data: object) -> list[ValidationIssue]:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(expected_type).validate_python(data)
    return validation_issues(raised.value, data)


def test_only_a_similar_name_is_suggested() -> None:
    assert did_you_mean("calculater", ["calculator", "clock"]) == " Did you mean 'calculator'?"
    assert did_you_mean("zzz", ["calculator"]) == ""


def test_an_issue_names_the_place_what_was_expected_and_the_value() -> None:
    [issue] = issues(Outer, {"inner": {"n": "x"}})
    assert (issue.key, issue.error_type) == ("inner.n", "int_parsing")
    assert issue.message.startswith("expected a valid integer")
    assert issue.message.endswith("got 'x'")


def test_errors_of_a_unions_members_are_one_issue() -> None:
    assert [(issue.key, issue.message) for issue in issues(Outer, {"inner": {"n": 1}, "either": None})] == [
        ("either", "expected a valid integer or a list, got None")
    ]


def test_of_nested_places_in_a_union_only_the_deepest_is_reported() -> None:
    assert [issue.key for issue in issues(Outer, {"inner": {"n": 1}, "either": [{"n": 1}, {"n": "x"}]})] == [
        "either.1.n"
    ]


def test_missing_and_unknown_keys_are_named() -> None:
    assert {issue.key: issue.message for issue in issues(Outer, {"iner": 1})} == {
        "inner": "required, but missing",
        "iner": "unknown",
    }


def test_long_values_are_shortened() -> None:
    [issue] = issues(int, "x" * 1000)
    assert len(issue.message) < 200
    assert issue.message.endswith("...")


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


def test_a_deep_path_of_equal_keys_is_resolved() -> None:
    data: dict[str, object] = {}
    for _ in range(100):
        data = {"a": data}
    assert len(data_path(["a"] * 100 + ["b"], data)) == 100


class Named(BaseModel):
    name: str = Field(pattern=r"\S")


def test_a_blank_text_is_reported_in_words() -> None:
    [issue] = issues(Named, {"name": " "})

    assert issue.message == "expected text that isn't blank, got ' '"
