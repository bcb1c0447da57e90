"""The consoles that commands write to: results to stdout, everything else to stderr."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

__all__ = ["err", "one_line", "out", "printable", "write_json", "write_table", "write_text"]

out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False)

_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}

_PIPE_WIDTH = 400
"""Columns of a table that goes into a pipe: enough for any row."""


def printable(text: str) -> str:
    """Return ``text`` without control characters: text of models and tools must not control the terminal."""
    return text.translate(_CONTROLS)


def one_line(text: str, width: int) -> str:
    """Return ``text`` as one line of at most ``width`` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def write_text(text: str) -> None:
    """Write a result to stdout: unchanged into a pipe, without control characters to a terminal."""
    out.print(printable(text) if out.is_terminal else text, soft_wrap=True)


def write_json(value: object, *, indent: int | None = 2) -> None:
    """Write JSON to stdout; on one line when ``indent`` is None."""
    out.print(json.dumps(value, indent=indent, ensure_ascii=False), soft_wrap=True)


def write_table(table: Table) -> None:
    """Write a table to stdout: as wide as the terminal, or as its rows where there is none."""
    console = out if out.is_terminal else Console(width=_PIPE_WIDTH)
    console.print(table)
