from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from agentkit.llm.shared.lenient_types import Count, Text, as_list, as_object, as_text
from agentkit.messages import MAX_COUNT


class Received(BaseModel):
    text: Text = ""
    count: Count = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (None, ""),
        (7, "7"),
        (["a", {"type": "text", "text": "b"}], "ab"),
        ({"thinking": [{"text": "a"}, {"text": "b"}]}, "ab"),
        ({"other": "a"}, ""),
    ],
)
def test_a_text_may_come_in_any_form(value: object, expected: str) -> None:
    assert as_text(value) == expected
    assert Received.model_validate({"text": value}).text == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(7, 7), (7.5, 7.5), (None, None), ("7", None), ({}, None), ([7], None)]
)
def test_a_count_is_a_number_or_nothing(value: object, expected: float | None) -> None:
    assert Received.model_validate({"count": value}).count == expected


def test_lists_and_objects_may_be_missing() -> None:
    assert (as_list([1]), as_list({"a": 1}), as_list({}), as_list(None)) == ([1], [{"a": 1}], (), ())
    assert (as_object({"a": 1}), as_object([]), as_object(None)) == ({"a": 1}, None, None)


@pytest.mark.parametrize(
    ("sent", "count"),
    [
        ("10e400", None),
        ("NaN", None),
        ("-1", None),
        ("-Infinity", None),
        ("1e300", MAX_COUNT),
        ("1" * 400, MAX_COUNT),
    ],
)
def test_counts_that_no_server_can_mean_are_left_out_or_clamped(sent: str, count: float | None) -> None:
    assert Received.model_validate(json.loads(f'{{"count": {sent}}}')).count == count
