"""Test the arguments of a tool call against the conditions of a policy rule.

A model writes the arguments, perhaps on behalf of someone who wants a rule to be missed. So a test has three outcomes:
it holds, it doesn't, or it is unclear, with the reason as text. An unclear test counts against the call.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import re2
from pydantic import JsonValue

from agentkit.policy_rules import Condition
from agentkit.runtime.calls.argument_reader import ArgumentReader, Reading, kind_of
from agentkit.runtime.text_folding import folded, folded_constant, without_invisible

__all__ = ["MAX_TESTED_CHARS", "Outcome", "condition_outcome", "pattern_problem"]

Outcome = bool | str
"""Whether a test holds; text: why that is unclear."""

MAX_TESTED_CHARS = 10_000
"""Longer text is not compared, unless it is equal, and not searched: matching takes the workflow's own time."""
_MAX_PROGRAM_SIZE = 5_000
"""Instructions of a compiled pattern: they, and the length of the text, bound the time of a match."""

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


def condition_outcome(arguments: ArgumentReader, path: str, condition: Condition) -> Outcome:
    """Return whether all tests of the condition hold for the argument at the path."""
    outcomes = list(_outcomes(arguments.read(path), condition))
    if False in outcomes:
        return False
    return next((f"{path} {reason}" for reason in outcomes if isinstance(reason, str)), True)


def pattern_problem(pattern: str) -> str | None:
    """Return why a regular expression can't be used; None if it can."""
    try:
        expressions = _compiled(pattern)
    except re2.error as error:
        detail = error.args[0] if error.args else error
        reason = detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
        return f"no regular expression of RE2, which has neither lookarounds nor backreferences: {reason}"
    except UnicodeEncodeError:
        return "no regular expression: it has lone surrogates"
    if any(expression.programsize > _MAX_PROGRAM_SIZE for expression in expressions):
        return "too large a regular expression: make its repetitions smaller"
    return None


def _outcomes(reading: Reading, condition: Condition) -> Iterator[Outcome]:
    if condition.exists is not None:
        yield _exists(reading, condition.exists)
    if condition.exists is None or len(condition.model_fields_set) > 1:
        yield from _value_outcomes(reading, condition)


def _exists(reading: Reading, expected: bool) -> Outcome:
    if isinstance(reading, str):
        return reading
    if reading == (None,):
        return "is null, which may stand for a value or for none"
    return (reading is not None) == expected


def _value_outcomes(reading: Reading, condition: Condition) -> Iterator[Outcome]:
    if reading is None or isinstance(reading, str):
        yield reading or "is missing"
        return
    (value,) = reading
    if condition.equals is not None:
        yield _equal(value, condition.equals)
    if condition.in_ is not None:
        yield _any(_equal(value, option) for option in condition.in_)
    if condition.matches is not None:
        yield _matches(value, condition.matches)
    for name, compare in _COMPARISONS.items():
        if (bound := getattr(condition, name)) is not None:
            yield _compared(value, bound, compare)


def _any(outcomes: Iterator[Outcome]) -> Outcome:
    unclear: Outcome = False
    for outcome in outcomes:
        if outcome is True:
            return True
        unclear = unclear or outcome
    return unclear


def _equal(value: JsonValue, expected: JsonValue) -> Outcome:
    """Compare exactly; where only the types or the writing differ, the tool may take the one for the other."""
    match value, expected:
        case (str(), str()):
            return _equal_text(value, expected)
        case (list(), list()):
            if len(value) != len(expected):
                return False
            return _all(_equal(item, other) for item, other in zip(value, expected, strict=True))
        case (dict(), dict()):
            if value.keys() != expected.keys():
                return _equal_keys(value, expected)
            return _all(_equal(item, expected[key]) for key, item in value.items())
        case (None, None):
            return True
        case (_, None):
            return False
    if _is_number(value) and _is_number(expected):
        return value == expected if _is_finite(value) else "is no finite number"
    if isinstance(value, bool) and isinstance(expected, bool):
        return value is expected
    return f"is {kind_of(value)}, and the rule has {kind_of(expected)}"


def _equal_keys(value: Mapping[str, JsonValue], expected: Mapping[str, JsonValue]) -> Outcome:
    """Compare the keys of objects whose keys are not the same."""
    if len(value) != len(expected):
        return False
    if sum(map(len, value)) > MAX_TESTED_CHARS:
        return "has keys that are too long to be compared"
    return sorted(map(folded, value)) == sorted(map(folded_constant, expected)) and "has keys in another writing"


def _all(outcomes: Iterator[Outcome]) -> Outcome:
    unclear: Outcome = True
    for outcome in outcomes:
        if outcome is False:
            return False
        unclear = outcome if unclear is True else unclear
    return unclear


def _equal_text(value: str, expected: str) -> Outcome:
    if value == expected:
        return True
    if len(value) > MAX_TESTED_CHARS:
        return "is too long to be compared"
    return folded(value) == folded_constant(expected) and "differs from a text of the rule in its writing only"


def _matches(value: JsonValue, pattern: str) -> Outcome:
    if not isinstance(value, str):
        return f"is {kind_of(value)}, and the rule has a pattern for text"
    if len(value) > MAX_TESTED_CHARS:
        return "is too long to be matched"
    try:
        exact, loose = _compiled(pattern)
        if exact.fullmatch(value):
            return True
        is_found = loose.search(value) or loose.search(without_invisible(value))
    except (re2.error, UnicodeEncodeError):  # agents built in code are not checked; JSON may hold lone surrogates
        return "can't be matched"
    return "matches only in part, or in another writing" if is_found else False


def _compared(value: JsonValue, bound: float, compare: Callable[[float, float], bool]) -> Outcome:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {kind_of(value)}, and the rule has a number"
    # Python compares integers and floats exactly, of whatever size.
    return compare(value, bound) if _is_finite(value) else "is no finite number"


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: JsonValue) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


_EXACT = re2.Options()
_EXACT.log_errors = False
_EXACT.never_capture = True
_LOOSE = re2.Options()
_LOOSE.log_errors = False
_LOOSE.never_capture = True
_LOOSE.dot_nl = True


@functools.lru_cache(512)
def _compiled(pattern: str) -> tuple[re2._Regexp, re2._Regexp]:
    return re2.compile(pattern, _EXACT), re2.compile(pattern, _LOOSE)
