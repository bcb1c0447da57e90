"""Where commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

__all__ = ["err", "one_line", "out", "printable", "write_json", "write_table", "write_text"]

out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False)

_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}

_WIDE = 400
"""Columns of a table that goes into a pipe."""


def printable(text: str) -> str:
    """Return ``text`` without control characters: what a model or tool wrote must not steer the terminal."""
    return text.translate(_CONTROLS)


def one_line(text: str, width: int) -> str:
    """Return ``text`` as one line of at most ``width`` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def write_text(text: str) -> None:
    """Write a result to stdout: as it is into a pipe, without control characters to a terminal."""
    shown = printable(text) if out.is_terminal else text
    out.print(shown, soft_wrap=True)


def write_json(value: object, *, indent: int | None = 2) -> None:
    """Write JSON to stdout; ``indent`` None makes it one line."""
    out.print(json.dumps(value, indent=indent, ensure_ascii=False), soft_wrap=True)


def write_table(table: Table) -> None:
    """Write a table to stdout: as wide as the terminal, or as wide as it needs where there is none."""
    console = out if out.is_terminal else Console(width=_WIDE)
    console.print(table)
