"""Print rows as a table where it fits, and else each row as a few lines, so that ids are never cut or broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from cli.views.console import out, text_width, wrap

__all__ = ["table_lines", "write_table"]

_GAP = 2
"""Columns between two cells."""
_MIN_LAST_WIDTH = 20
"""The last column, of text, is cut or wrapped as far as this; below it, each row takes several lines."""
_INDENT = 2


def write_table(
    headings: Sequence[str], rows: Sequence[Sequence[Text]], *, numbers: frozenset[str] = frozenset(), wraps: bool
) -> None:
    """Write rows to stdout; a row's first cell names it, and the last is text.

    Args:
        headings: the columns, in capitals.
        rows: as many cells each.
        numbers: the headings of the columns that are aligned to the right.
        wraps: whether the last cell is wrapped where it is too wide; else it is cut.
    """
    for line in table_lines(headings, rows, text_width(out), numbers=numbers, wraps=wraps):
        out.print(line, soft_wrap=True)


def table_lines(
    headings: Sequence[str],
    rows: Sequence[Sequence[Text]],
    width: int | None,
    *,
    numbers: frozenset[str] = frozenset(),
    wraps: bool,
) -> Iterator[Text]:
    """Yield the lines of ``write_table`` for a width in columns; None: lines of any length."""
    widths = [
        max(cell_len(heading), *(cell_len(row[index].plain) for row in rows)) for index, heading in enumerate(headings)
    ]
    last_at = sum(widths[:-1]) + _GAP * (len(widths) - 1)
    if width is not None and width - last_at < min(widths[-1], _MIN_LAST_WIDTH):
        for row in rows:
            yield from _stacked(headings, row, width, wraps=wraps)
        return
    for cells in ([Text(heading, style="bold") for heading in headings], *rows):
        line = Text()
        for heading, cell, cell_width in zip(headings[:-1], cells, widths[:-1], strict=False):
            padding = " " * (cell_width - cell_len(cell.plain))
            line.append_text(Text.assemble(padding, cell) if heading in numbers else Text.assemble(cell, padding))
            line.append(" " * _GAP)
        yield from _fit(line.append_text(cells[-1]), width, last_at, wraps=wraps)


def _stacked(headings: Sequence[str], row: Sequence[Text], width: int, *, wraps: bool) -> Iterator[Text]:
    """Yield a row's first cell, then the others with their headings, then the last one."""
    facts = Text(" " * _INDENT)
    for heading, cell in zip(headings[1:-1], row[1:-1], strict=True):
        if cell.plain:
            facts.append(" · " if len(facts) > _INDENT else "").append(f"{heading.lower()} ", "dim").append_text(cell)
    yield Text.assemble(row[0], style="bold")
    if len(facts) > _INDENT:
        yield from _fit(facts, width, _INDENT, wraps=True)
    if row[-1].plain:
        yield from _fit(Text.assemble(" " * _INDENT, row[-1]), width, _INDENT, wraps=wraps)


def _fit(line: Text, width: int | None, indent: int, *, wraps: bool) -> Iterator[Text]:
    line.rstrip()
    if not wraps and width is not None:
        line.truncate(width, overflow="ellipsis")
    yield from wrap(line, width, indent)
