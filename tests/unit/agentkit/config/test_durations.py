from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from agentkit.config.durations import Duration, parse_duration

DURATION: TypeAdapter[float] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("notation", "seconds"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("30s", 30.0),
        ("250ms", 0.25),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("1h\t30m\n", 5400.0),
        ("1.5h", 5400.0),
        ("2d", 172_800.0),
        (" 10s ", 10.0),
    ],
)
def test_numbers_and_text_with_units_are_durations(notation: object, seconds: float) -> None:
    assert DURATION.validate_python(notation) == seconds


@pytest.mark.parametrize("notation", ["", "soon", "10", "10x", "s", "-5s", "1h-30m", "5 minutes"])
def test_other_text_is_refused_with_an_example(notation: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 30s, 5m, 1h30m"):
        parse_duration(notation)


@pytest.mark.parametrize("notation", [0, -1, "0s", float("inf"), float("nan"), "99999999d", None, [], True])
def test_zero_negative_infinite_and_too_long_durations_are_refused(notation: object) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(notation)


def test_values_other_than_text_are_returned_unchanged() -> None:
    assert parse_duration(None) is None


@pytest.mark.parametrize(
    ("notation", "is_positive"),
    [("1s", True), ("0s 0.10ms", True), ("10m0s", True), ("0s", False), ("0.0h 00ms", False), ("1s x", False)],
)
def test_the_json_schema_takes_text_of_positive_durations(notation: str, is_positive: bool) -> None:
    text = next(kind for kind in DURATION.json_schema()["anyOf"] if kind["type"] == "string")
    assert bool(re.search(text["pattern"], notation)) is is_positive
