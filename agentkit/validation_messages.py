"""Word what is wrong with a value, for the people and models that wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

__all__ = ["Fault", "data_path", "did_you_mean", "faults"]

_GOT_CHARS = 80
_WORDS = {
    "missing": "required, but missing",
    "extra_forbidden": "unknown",
    "string_type": "expected text",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "dict_type": "expected keys with values",
    "model_type": "expected keys with values",
    "model_attributes_type": "expected keys with values",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where."""

    path: tuple[str | int, ...]
    """Keys and positions that lead to the value."""
    text: str
    """What was expected, and what was got."""
    kind: str = "invalid"
    """pydantic's name of the error, such as ``extra_forbidden``."""

    @property
    def key(self) -> str:
        """The path as people write it: ``limits.max_steps``."""
        return ".".join(str(part) for part in self.path)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name; nothing where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def faults(error: ValidationError, data: object) -> list[Fault]:
    """Return what pydantic found wrong with ``data``: one fault a place, the deepest ones where they nest."""
    expected: dict[tuple[str | int, ...], list[str]] = {}
    kinds: dict[tuple[str | int, ...], str] = {}
    inputs: dict[tuple[str | int, ...], object] = {}
    for detail in error.errors(include_url=False, include_context=False):
        path = data_path(detail["loc"], data, missing=detail["type"] == "missing")
        message = _expected(detail["type"], detail["msg"])
        if message not in expected.setdefault(path, []):
            expected[path].append(message)
        kinds[path], inputs[path] = detail["type"], detail["input"]
    deepest = [path for path in expected if not any(_leads_to(path, other) for other in expected)]
    return [Fault(path, _text(expected[path], kinds[path], inputs[path]), kinds[path]) for path in deepest]


def data_path(loc: Sequence[str | int], data: object, *, missing: bool = False) -> tuple[str | int, ...]:
    """Return the keys and positions in ``data`` that a location of pydantic's means.

    A location also names members of unions, such as ``text``; those are left out. With ``missing``, the last part is a
    key that ``data`` lacks.
    """
    reached: dict[tuple[str | int, ...], object] = {(): data}
    longest: tuple[str | int, ...] = ()
    for index, part in enumerate(loc):
        steps = {(*path, part): value[part] for path, value in reached.items() if _holds(value, part)}  # type: ignore[index]  # _holds has checked
        if missing and index == len(loc) - 1:
            steps |= {(*path, part): None for path, value in reached.items() if isinstance(value, Mapping)}
        if steps:
            longest = max(steps, key=len)
        # The first part is never a member of a union: what is validated is an object or a list.
        reached = steps if index == 0 and steps else reached | steps
    return longest


def _holds(value: object, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def _leads_to(path: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    return len(path) < len(other) and other[: len(path)] == path


def _expected(kind: str, message: str) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    return message.removeprefix("Value error, ").replace("Input should be", "expected").replace("String should", "must")


def _text(expected: list[str], kind: str, got: object) -> str:
    first, *others = expected
    text = " or ".join([first, *(other.removeprefix("expected ") for other in others)])
    if kind in ("missing", "extra_forbidden") or ", got " in text:
        return text
    shown = repr(got)
    return f"{text}, got {shown if len(shown) <= _GOT_CHARS else shown[:_GOT_CHARS] + '...'}"
