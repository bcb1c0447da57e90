from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.readme_figures import read_cell, read_part, write_part

TABLES = """\
| steps | | time, ms |
|--:|:--|--:|
| 5 | bare | 1.0 |
| 5 | Opspawn | 0.9 |

| | time, ms | memory, MiB |
|:--|--:|--:|
| worker | 2.5 | 126, 1,362 |
"""


def test_a_new_part_replaces_the_one_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- a -->\nold\n<!-- end of a -->\nafter\n<!-- b -->\nkept\n<!-- end of b -->\n")
    for text in ("first\n", "second\n"):
        write_part(readme, "a", text)
    assert readme.read_text() == (
        "before\n<!-- a -->\n\nsecond\n\n<!-- end of a -->\nafter\n<!-- b -->\nkept\n<!-- end of b -->\n"
    )
    assert read_part(readme, "a") == "second"


def test_a_part_that_the_file_does_not_have_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- a -->\n")
    with pytest.raises(ValueError, match="no part 'a': write <!-- a --> and <!-- end of a -->"):
        write_part(readme, "a", "text")
    assert readme.read_text() == "<!-- a -->\n"


def test_a_cell_is_found_by_the_start_of_its_row_and_the_name_of_its_column() -> None:
    assert read_cell(TABLES, "| 5 | Opspawn |", "time, ms") == 0.9
    assert read_cell(TABLES, "| worker |", "time, ms") == 2.5
    assert read_cell(TABLES, "| worker |", "memory, MiB") == 1362


@pytest.mark.parametrize(("row", "column"), [("| 6 |", "time, ms"), ("| 5 |", "memory, MiB"), ("| steps |", "steps")])
def test_a_cell_that_no_table_has_is_an_error(row: str, column: str) -> None:
    with pytest.raises(ValueError, match="no number in a row"):
        read_cell(TABLES, row, column)
