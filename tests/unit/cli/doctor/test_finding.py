"""The doctor's exit code."""

from __future__ import annotations

from typing import Literal

import pytest

from cli.doctor.finding import Finding, exit_code


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        (["ok", "note"], 0),
        (["missing", "ok"], 1),
        (["missing", "unreachable", "ok"], 3),
    ],
    ids=["nothing", "all is well", "missing", "unreachable"],
)
def test_an_unreachable_server_is_3_and_anything_else_that_is_missing_1(
    statuses: list[Literal["ok", "note", "missing", "unreachable"]], code: int
) -> None:
    assert exit_code(Finding("X", status, "") for status in statuses) == code
