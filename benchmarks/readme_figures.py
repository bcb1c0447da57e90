"""The figures in ``benchmarks/README.md``: each part stands between two marks, and programs write it anew.

The mark before a part is an HTML comment of its name, the mark after it one of ``end of`` and its name.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["README", "read_cell", "read_part", "write_part"]

README = Path(__file__).with_name("README.md")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def read_part(readme: Path, name: str) -> str:
    """Return the text between the marks of a part; raise ``ValueError`` if the file has no such part."""
    begin, end = _marks(name)
    text = readme.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise ValueError(
            f"{readme.name} has no part {name!r}: write {begin.strip()} and {end.strip()} on their own lines"
        )
    return text.partition(begin)[2].partition(end)[0].strip()


def write_part(readme: Path, name: str, text: str) -> None:
    """Replace the text between the marks of a part; raise ``ValueError`` if the file has no such part."""
    read_part(readme, name)
    begin, end = _marks(name)
    before, _, rest = readme.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    readme.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def read_cell(markdown: str, row: str, column: str) -> float:
    """Return the last number in a cell of a Markdown table.

    ``row`` is how its line begins, ``column`` the column's name. Raise ``ValueError`` if no table has such a cell.
    """
    header: list[str] = []
    for line in markdown.splitlines():
        if not line.startswith("|"):
            header = []
        elif not header:
            header = _cells(line)
        elif line.startswith(row) and column in header:
            numbers = _NUMBER.findall(_cells(line)[header.index(column)])
            if numbers:
                return float(numbers[-1].replace(",", ""))
    raise ValueError(f"no number in a row {row!r} and a column {column!r}")


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
