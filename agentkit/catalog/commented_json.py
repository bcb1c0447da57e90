"""Read JSON with comments and trailing commas, and the line of each of its values, as editors write ``mcp.json``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import NoReturn

__all__ = ["CommentedJson", "read_commented_json"]

_MAX_DEPTH = 50
_MAX_DIGITS = 400
_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))|(?P<text>"(?:[^"\\\n]|\\.)*"?)|(?P<sign>[{}\[\],:])|(?P<space>\s+)|.""",
    re.DOTALL,
)

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class CommentedJson:
    """What a text means, and where."""

    data: object
    lines: dict[_Path, int]
    """The line of each key and list item, from 1."""


@dataclass
class _Container:
    """An object or a list whose end has not been read."""

    path: _Path
    is_list: bool
    position: int = 0
    """Of the next item of a list."""
    key: str | None = None
    """Of the value that follows, in an object."""
    has_item: bool = False
    """Whether the item of a list, or the key of an object, has been read since the last comma."""

    def place(self) -> _Path:
        """Return the path of the value that follows."""
        return (*self.path, self.position if self.is_list else self.key or "")


@dataclass
class _Scanner:
    """Notes the lines of keys and items, and removes what JSON lacks."""

    lines: dict[_Path, int] = field(default_factory=dict)
    plain: list[str] = field(default_factory=list)
    """Parts of the text, with spaces in place of comments and trailing commas: so errors name the right line."""
    open: list[_Container] = field(default_factory=list)
    comma: int | None = None
    """The place in ``plain`` of a comma that may be a trailing one."""

    def scan(self, text: str) -> None:
        """Read a text."""
        line = 1
        for token in _TOKEN.finditer(text):
            part = token[0]
            if token.lastgroup == "comment":
                self.plain.append(re.sub(r"[^\n]", " ", part))
            elif token.lastgroup == "space":
                self.plain.append(part)
            else:
                self._on_part(part, token.lastgroup, line)
            line += part.count("\n")

    def _on_part(self, part: str, kind: str | None, line: int) -> None:
        if kind == "sign" and part in "}]":
            if self.comma is not None:
                self.plain[self.comma] = " "
            if self.open:
                self.open.pop()
        elif kind != "sign" or part in "{[":
            self._on_value(part, kind, line)
        self.comma = None
        if part == "," and self.open and self.open[-1].has_item:
            inner = self.open[-1]
            inner.position, inner.key, inner.has_item = inner.position + 1, None, False
            self.comma = len(self.plain)
        self.plain.append(part)

    def _on_value(self, part: str, kind: str | None, line: int) -> None:
        inner = self.open[-1] if self.open else None
        if inner is not None and not inner.has_item:
            inner.has_item = True
            if not inner.is_list and kind == "text":
                inner.key = _text(part)
                if inner.place() in self.lines:
                    _fail(line, f"{inner.key!r} is given twice, first on line {self.lines[inner.place()]}")
            self.lines[inner.place()] = line
        if part in "{[":
            if len(self.open) == _MAX_DEPTH:
                _fail(line, f"nested too deeply: {_MAX_DEPTH} levels at most")
            self.open.append(_Container(inner.place() if inner is not None else (), part == "["))


def read_commented_json(text: str) -> CommentedJson:
    """Return the content of a text: JSON that may have ``//`` and ``/* */`` comments, and trailing commas.

    Raises:
        ValueError: it is something else, or has a key twice; the message is ``LINE: reason``.
    """
    scanner = _Scanner()
    scanner.scan(text)
    try:
        data = json.loads("".join(scanner.plain), parse_constant=_refuse, parse_int=_integer)
    except json.JSONDecodeError as error:
        _fail(error.lineno, f"no valid JSON: {error.msg}")
    return CommentedJson(data, scanner.lines)


def _text(part: str) -> str:
    try:
        return str(json.loads(part))
    except ValueError:
        return part


def _refuse(name: str) -> NoReturn:
    _fail(1, f"no valid JSON: there is no {name}")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        _fail(1, f"an integer of {len(digits):,} digits: {_MAX_DIGITS} at most")
    return int(digits)


def _fail(line: int, reason: str) -> NoReturn:
    raise ValueError(f"{line}: {reason}")
