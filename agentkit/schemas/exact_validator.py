"""A JSON Schema validator whose time is linear in the value for each keyword, and whose numbers are exact."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import re2
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

__all__ = ["NO_DOCUMENTS", "ExactValidator", "compiled_pattern"]

NO_DOCUMENTS: Registry[Any] = Registry()
"""Empty: a schema refers only to itself, and no document is fetched."""

Search = Callable[[str], object]

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


@functools.lru_cache(256)
def compiled_pattern(pattern: str) -> Search:
    """Return the search function of a regular expression.

    It takes linear time, unless the expression needs Python's engine: lookarounds and backreferences do.

    Raises:
        re.error: no regular expression; also one that is too large.
    """
    try:
        search: Search = re2.compile(pattern, _OPTIONS).search
    except re2.error:
        try:
            return re.compile(pattern).search
        except (OverflowError, RecursionError) as error:
            raise re.error(str(error), pattern) from None
    return search


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not compiled_pattern(pattern)(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, subschema in patterns.items():
        search = compiled_pattern(pattern)
        for key, value in instance.items():
            if search(key):
                yield from validator.descend(value, subschema, path=key, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    searches = [compiled_pattern(pattern) for pattern in schema.get("patternProperties", {})]
    named = schema.get("properties", {})
    extra = [key for key in instance if key not in named and not any(search(key) for search in searches)]
    if validator.is_type(allowed, "object"):
        for key in extra:
            yield from validator.descend(instance[key], allowed, path=key)
    elif not allowed and extra:
        names, verb = ", ".join(map(repr, sorted(extra))), "were" if len(extra) > 1 else "was"
        yield ValidationError(f"Additional properties are not allowed ({names} {verb} unexpected)")


def _unique_items(validator: Any, unique: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not unique or not validator.is_type(instance, "array"):
        return
    if len({json.dumps(_normal(item), sort_keys=True) for item in instance}) < len(instance):
        yield ValidationError(f"{instance!r} has non-unique elements")


def _normal(value: Any) -> Any:
    """Return the value with whole floats as integers: 1 and 1.0 are the same in JSON Schema, and true is neither."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    return value


def _multiple_of(validator: Any, divisor: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "number") and (_fraction(instance) / _fraction(divisor)).denominator != 1:
        yield ValidationError(f"{instance!r} is not a multiple of {divisor!r}")


def _fraction(number: int | float) -> Fraction:
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


ExactValidator: type[Draft202012Validator] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "additionalProperties": _additional_properties,
        "multipleOf": _multiple_of,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "uniqueItems": _unique_items,
    },
)
"""``Draft202012Validator`` with keywords of its own where the library's take exponential or quadratic time."""
