"""The consoles that commands write to: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from cli.errors import CommandFailed, OutputClosed

__all__ = [
    "CommandConsole",
    "err",
    "one_line",
    "out",
    "printable",
    "text_width",
    "wrap",
    "write_json",
    "write_line",
    "write_message",
    "write_text",
]

_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_COMMAND_INDENT = "  "
"""Lines of a message with this indent are commands to copy: they are never wrapped."""
_WORD = re.compile(r"(?:`[^`\n]*`|\S)+\s*")
"""A word with the spaces after it; a command between backticks is one word."""


class CommandConsole(Console):
    """A console whose reader may leave early, as ``head`` does, and whose disk may be full."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, as ``Console`` does.

        Raises:
            OutputClosed: the reader has ended.
            CommandFailed: the output can't be written, such as to a full disk.
        """
        try:
            super().print(*objects, **options)
        except OSError as error:
            self._drop_output()
            raise CommandFailed(f"The output can't be written: {error.strerror or error}.") from None

    def write_bytes(self, data: bytes) -> None:
        """Write bytes as they are to a pipe or a file; to a terminal as text without control characters.

        Raises:
            OutputClosed: the reader has ended.
            CommandFailed: the output can't be written, such as to a full disk.
        """
        if self.is_terminal:
            self.print(Text(printable(data.decode(errors="replace"))), end="", soft_wrap=True)
            return
        try:
            self.file.flush()
            buffer = getattr(self.file, "buffer")  # noqa: B009  a text stream has it, its type hasn't
            buffer.write(data)
            buffer.flush()
        except BrokenPipeError:
            self.on_broken_pipe()
        except OSError as error:
            self._drop_output()
            raise CommandFailed(f"The output can't be written: {error.strerror or error}.") from None

    def on_broken_pipe(self) -> None:
        """End the command.

        Raises:
            OutputClosed: always.
        """
        self._drop_output()
        raise OutputClosed

    def _drop_output(self) -> None:
        self.quiet = True
        with suppress(OSError, ValueError):  # a test's stream has no file descriptor
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self.file.fileno())  # what Python still has to flush goes there
            os.close(devnull)


out = CommandConsole(highlight=False, markup=False)
err = CommandConsole(stderr=True, highlight=False, markup=False)


def printable(text: str) -> str:
    """Return ``text`` without control characters: text of models and tools must not control the terminal."""
    return text.translate(_CONTROLS)


def one_line(text: str, width: int) -> str:
    """Return ``text`` as one line of at most ``width`` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def text_width(console: Console) -> int | None:
    """Return the columns of a terminal; None for a pipe or a file, whose lines are never broken."""
    return console.width if console.is_terminal else None


def wrap(line: Text, width: int | None, indent: int = 0) -> Iterator[Text]:
    """Yield a line in parts of at most ``width`` columns, broken between words; longer words stay whole.

    All parts but the first are indented by ``indent`` columns, where they fit.
    """
    if width is None or cell_len(line.plain) <= width:
        yield line
        return
    offsets, used = [], len(line.plain) - len(line.plain.lstrip())
    for word in _WORD.finditer(line.plain):
        if used + cell_len(word[0].rstrip()) > width and word.start() > 0:
            offsets.append(word.start())
            used = indent
        used += cell_len(word[0])
    for number, part in enumerate(line.divide(offsets)):
        part.rstrip()
        if number and indent + cell_len(part.plain) <= width:
            part.pad_left(indent)
        yield part


def write_message(console: Console, text: str | Text, *, style: str = "", indent: int = 0) -> None:
    """Write text for people, wrapped at words; lines that are indented by two spaces or more are commands to copy."""
    text = Text(text, style=style) if isinstance(text, str) else text
    for line in text.split("\n", allow_blank=True):
        if line.plain.startswith(_COMMAND_INDENT):
            console.print(line, soft_wrap=True)
        else:
            write_line(console, line, indent)


def write_line(console: Console, line: Text, indent: int = 0) -> None:
    """Write one line, wrapped at words; all but the first are indented by ``indent`` columns."""
    for part in wrap(line, text_width(console), indent):
        console.print(part, soft_wrap=True)


def write_text(text: str) -> None:
    """Write a result to stdout: unchanged into a pipe, without control characters to a terminal."""
    out.print(printable(text) if out.is_terminal else text, soft_wrap=True)


def write_json(value: object, *, indent: int | None = 2) -> None:
    """Write JSON to stdout; on one line when ``indent`` is None."""
    out.print(json.dumps(value, indent=indent, ensure_ascii=False), soft_wrap=True)
