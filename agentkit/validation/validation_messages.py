"""Messages about invalid values, for the people and models that wrote them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

__all__ = [
    "ValidationIssue",
    "data_path",
    "did_you_mean",
    "issues_text",
    "most_similar",
    "validation_issues",
    "without_pattern",
]

_MAX_VALUE_CHARS = 80
"""Longer values are cut off in messages."""
_NOT_BLANK = r"'\S'"
"""The pattern of texts with something in them, as pydantic quotes it."""
_MESSAGES = {
    "missing": "required, but missing",
    "extra_forbidden": "unknown",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "string_type": "expected text",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "invalid-json-value": "expected text, a number, true, false, null, a list or keys with values (dates in quotes)",
    "dict_type": "expected keys with values",
    "model_type": "expected keys with values",
    "model_attributes_type": "expected keys with values",
}


@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """One invalid value: its place, and what was expected."""

    path: tuple[str | int, ...]
    """Keys and list positions, from the root to the value."""
    message: str
    """What was expected, and the value."""
    error_type: str = "invalid"
    """The type of pydantic's error, such as ``extra_forbidden``."""

    @property
    def key(self) -> str:
        """The path in dotted form: ``limits.max_steps``."""
        return ".".join(str(part) for part in self.path)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` with the known name that is most similar, or ``""`` if none is similar."""
    similar = most_similar(name, known)
    return f" Did you mean {similar!r}?" if similar is not None else ""


def most_similar(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar; None if none is similar."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return matches[0] if matches else None


def validation_issues(error: ValidationError, data: object) -> list[ValidationIssue]:
    """Return pydantic's errors about ``data``: one issue for each place; of nested places only the deepest."""
    expected: dict[tuple[str | int, ...], list[str]] = {}
    error_types: dict[tuple[str | int, ...], str] = {}
    inputs: dict[tuple[str | int, ...], object] = {}
    for detail in error.errors(include_url=False, include_context=False):
        path = data_path(detail["loc"], data, missing=detail["type"] == "missing")
        message = _expected(detail["type"], detail["msg"])
        if message not in expected.setdefault(path, []):
            expected[path].append(message)
        error_types[path], inputs[path] = detail["type"], detail["input"]
    deepest = [path for path in expected if not any(_is_prefix(path, other) for other in expected)]
    return [
        ValidationIssue(path, _message(expected[path], error_types[path], inputs[path]), error_types[path])
        for path in deepest
    ]


def issues_text(error: ValidationError, data: object) -> str:
    """Return what ``validation_issues`` finds in ``data`` on one line: each place, and what was expected there."""
    given = data if isinstance(data, Mapping) else {}
    return "; ".join(f"{issue.key}: {issue.message}" for issue in validation_issues(error, given))


def data_path(loc: Sequence[str | int], data: object, *, missing: bool = False) -> tuple[str | int, ...]:
    """Return the keys and positions in ``data`` that a location of pydantic's error refers to.

    A location also names members of unions, such as ``text``; those are left out. With ``missing``, the last part is a
    key that ``data`` lacks.
    """
    reached: dict[tuple[str | int, ...], object] = {(): data}
    longest: tuple[str | int, ...] = ()
    for index, part in enumerate(loc):
        steps = {(*path, part): value[part] for path, value in reached.items() if _contains(value, part)}  # type: ignore[index]  # _contains has checked
        if missing and index == len(loc) - 1:
            steps |= {(*path, part): None for path, value in reached.items() if isinstance(value, Mapping)}
        if steps:
            longest = max(steps, key=len)
        # The first part is never a member of a union: what is validated is an object or a list.
        reached = steps if index == 0 and steps else reached | steps
    return longest


def _contains(value: object, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def _is_prefix(path: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    return len(path) < len(other) and other[: len(path)] == path


def without_pattern(message: str) -> str:
    """Return pydantic's message in words, if it is about a text that is blank, and else the message."""
    return "expected text that isn't blank" if message.endswith(_NOT_BLANK) else message


def _expected(error_type: str, message: str) -> str:
    if error_type in _MESSAGES:
        return _MESSAGES[error_type]
    return (
        without_pattern(message)
        .removeprefix("Value error, ")
        .replace("Input should be", "expected")
        .replace("String should", "must")
        .replace("Tuple should", "must")
        .replace("Dictionary should", "must")
    )


def _message(expected: list[str], error_type: str, value: object) -> str:
    first, *others = expected
    message = " or ".join([first, *(other.removeprefix("expected ") for other in others)])
    if error_type in ("missing", "extra_forbidden") or ", got " in message:
        return message
    shown = repr(value)
    return f"{message}, got {shown if len(shown) <= _MAX_VALUE_CHARS else shown[:_MAX_VALUE_CHARS] + '...'}"
