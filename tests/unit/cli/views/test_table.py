"""Rows as a table where it fits; in narrow terminals as a few lines each, with whole ids."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.text import Text

from cli.views.table import write_table

SetWidth = Callable[[int], None]

HEADINGS = ("ID", "AGENT", "STEPS", "INPUT")
ID = "task-0123456789abcdef0123456789abcdef"
ROWS = [[Text(ID), Text("assistant"), Text("12"), Text("a long input of several words that goes on")]]


def lines(set_width: SetWidth, capsys: pytest.CaptureFixture[str], columns: int | None, *, wraps: bool) -> list[str]:
    if columns is not None:
        set_width(columns)
    write_table(HEADINGS, ROWS, numbers=frozenset({"STEPS"}), wraps=wraps)
    return capsys.readouterr().out.splitlines()


def test_a_pipe_gets_one_line_for_each_row(set_width: SetWidth, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(set_width, capsys, None, wraps=False) == [
        f"ID{' ' * 35}  AGENT      STEPS  INPUT",
        f"{ID}  assistant     12  a long input of several words that goes on",
    ]


def test_the_last_cell_is_cut_where_it_is_too_wide(set_width: SetWidth, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(set_width, capsys, 80, wraps=False)[1] == f"{ID}  assistant     12  a long input of severa…"


def test_the_last_cell_is_wrapped_in_its_column(set_width: SetWidth, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(set_width, capsys, 80, wraps=True)[1:] == [
        f"{ID}  assistant     12  a long input of several",
        f"{' ' * 57}words that goes on",
    ]


@pytest.mark.parametrize(
    ("wraps", "last"),
    [
        (False, ["  a long input of several words that go…"]),
        (True, ["  a long input of several words that", "  goes on"]),
    ],
    ids=["cut", "wrapped"],
)
def test_in_40_columns_each_row_takes_several_lines_and_its_id_stays_whole(
    set_width: SetWidth, capsys: pytest.CaptureFixture[str], wraps: bool, last: list[str]
) -> None:
    output = lines(set_width, capsys, 40, wraps=wraps)

    assert output == [ID, "  agent assistant · steps 12", *last]
    assert max(map(len, output)) <= 40


def test_an_id_is_whole_even_where_it_is_wider_than_the_terminal(
    set_width: SetWidth, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lines(set_width, capsys, 20, wraps=True)[:3] == [ID, "  agent assistant ·", "  steps 12"]
