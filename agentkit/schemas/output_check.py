"""Check a response's text, a call's arguments, or a person's answer, against a schema: pure, and unbounded in time.

``OutputCheckProcesses`` bounds it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from jsonschema.exceptions import ValidationError, best_match
from pydantic import JsonValue

from agentkit.interfaces import OutputCheck
from agentkit.json_text import MAX_JSON_DEPTH, is_deeper_than, json_values
from agentkit.schemas.exact_validator import NO_DOCUMENTS, ExactValidator

__all__ = ["TOO_DEEP_VALUE", "InlineOutputChecker", "check_arguments", "check_output", "check_value"]

TOO_DEEP_VALUE = OutputCheck(mismatch=f"nested too deeply: {MAX_JSON_DEPTH} levels at most")

_MAX_VALUES = 20
"""How many JSON values of one response are validated."""
_MAX_ERROR_CHARS = 500
_MAX_PATH_CHARS = 200
_MAX_ARGUMENT_ERRORS = 5
"""How many errors about the arguments of one call the model reads, and a person about an answer."""

_NO_JSON = "Your response is no JSON. Respond with the JSON only: no other words, no code fence."
_TOO_DEEP = f"Your response is nested too deeply: {MAX_JSON_DEPTH} levels at most. Respond again with flatter JSON."


def check_output(text: str, schema: Mapping[str, JsonValue]) -> OutputCheck:
    """Return the position of the first JSON value in the text that fits the schema, or why none fits.

    Raises:
        Exception: the schema can't be evaluated; ``check_schema`` refuses nearly all such schemas.
    """
    validator = ExactValidator(schema, registry=NO_DOCUMENTS)
    first: ValidationError | None = None
    is_too_deep = False
    for index, value in enumerate(itertools.islice(json_values(text), _MAX_VALUES)):
        if is_deeper_than(value, MAX_JSON_DEPTH):
            is_too_deep = True
            continue
        error = best_match(validator.iter_errors(value))
        if error is None:
            return OutputCheck(index=index)
        first = first or error
    if first is None:
        return OutputCheck(mismatch=_TOO_DEEP if is_too_deep else _NO_JSON)
    place, message = first.json_path[:_MAX_PATH_CHARS], first.message[:_MAX_ERROR_CHARS]
    return OutputCheck(
        mismatch=f"Your response doesn't fit the requested schema: at {place}: {message}. "
        "Respond again with the complete JSON only."
    )


def check_arguments(arguments: Mapping[str, JsonValue], schema: Mapping[str, JsonValue]) -> OutputCheck:
    """Return whether the arguments fit the schema, or where they don't: a line for each place.

    Raises:
        Exception: the schema can't be evaluated; ``check_schema`` refuses nearly all such schemas.
    """
    errors = ExactValidator(schema, registry=NO_DOCUMENTS).iter_errors(arguments)
    lines = [
        f"- {_place(error)}: {error.message[:_MAX_ERROR_CHARS]}"
        for error in itertools.islice(errors, _MAX_ARGUMENT_ERRORS)
    ]
    return OutputCheck(mismatch="\n".join(lines)) if lines else OutputCheck(index=0)


def check_value(value: JsonValue, schema: Mapping[str, JsonValue]) -> OutputCheck:
    """Return whether a value fits the schema, or what doesn't fit, in one line for the person who gave it.

    Raises:
        Exception: the schema can't be evaluated; ``check_schema`` refuses nearly all such schemas.
    """
    if is_deeper_than(value, MAX_JSON_DEPTH):
        return TOO_DEEP_VALUE
    errors = ExactValidator(schema, registry=NO_DOCUMENTS).iter_errors(value)
    texts = [_value_error(error) for error in itertools.islice(errors, _MAX_ARGUMENT_ERRORS)]
    return OutputCheck(mismatch="; ".join(texts)) if texts else OutputCheck(index=0)


def _value_error(error: ValidationError) -> str:
    place, message = error.json_path.removeprefix("$").removeprefix("."), error.message[:_MAX_ERROR_CHARS]
    return f"{place[:_MAX_PATH_CHARS]}: {message}" if place else message


def _place(error: ValidationError) -> str:
    return error.json_path.removeprefix("$.")[:_MAX_PATH_CHARS]


class InlineOutputChecker:
    """Checks in this thread, in unbounded time: for tests and local runs, where the schema is one's own."""

    async def check(self, text: str, schema: Mapping[str, JsonValue]) -> OutputCheck:
        """Check a text."""
        return check_output(text, schema)

    async def check_arguments(self, arguments: Mapping[str, JsonValue], schema: Mapping[str, JsonValue]) -> OutputCheck:
        """Check the arguments of a tool call."""
        return check_arguments(arguments, schema)

    async def check_value(self, value: JsonValue, schema: Mapping[str, JsonValue]) -> OutputCheck:
        """Check a value that a person gave."""
        return check_value(value, schema)
