from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from agentkit.config.durations import Duration, parse_duration

DURATION: TypeAdapter[float] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("30s", 30.0),
        ("250ms", 0.25),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("1.5h", 5400.0),
        ("2d", 172_800.0),
        (" 10s ", 10.0),
    ],
)
def test_durations_are_read_as_people_write_them(written: object, seconds: float) -> None:
    assert DURATION.validate_python(written) == seconds


@pytest.mark.parametrize("written", ["", "soon", "10", "10x", "s", "-5s", "1h-30m", "5 minutes"])
def test_other_text_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 30s, 5m, 1h30m"):
        parse_duration(written)


@pytest.mark.parametrize("written", [0, -1, "0s", float("inf"), float("nan"), "99999999d", None, []])
def test_no_time_endless_time_and_no_number_are_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(written)


def test_what_is_no_text_passes_unchanged() -> None:
    assert parse_duration(None) is None
