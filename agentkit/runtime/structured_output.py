"""Structured output: the JSON in a model's response, validated against a schema."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from agentkit.errors import ConfigurationInvalid, ResponseTextInvalid
from agentkit.json_text import json_values

__all__ = ["check_schema", "read_output"]

_MAX_VALUES = 20
"""How many JSON values of one response are validated."""

_NO_JSON = "Your response is no JSON. Respond with the JSON only: no other words, no code fence."

_REGISTRY: Registry[Any] = Registry()
"""Empty: a schema refers only to itself, and no document is fetched."""


def check_schema(schema: Mapping[str, JsonValue]) -> None:
    """Check that a schema can be used.

    Raises:
        ConfigurationInvalid: it is no JSON Schema, or refers to another document.
    """
    try:
        Draft202012Validator.check_schema(schema)
        list(Draft202012Validator(schema, registry=_REGISTRY).iter_errors({}))
    except SchemaError as error:
        raise ConfigurationInvalid(f"no JSON Schema: at {error.json_path}: {error.message}") from None
    except Unresolvable as error:
        raise ConfigurationInvalid(f"refers to {error.ref!r}, which isn't in it") from None


def read_output(text: str, schema: Mapping[str, JsonValue]) -> JsonValue:
    """Return the first JSON value in a response that fits the schema.

    Raises:
        ResponseTextInvalid: the text has no JSON, or none that fits; the message names the place that doesn't.
    """
    validator = Draft202012Validator(schema, registry=_REGISTRY)
    first_error: ValidationError | None = None
    for value in itertools.islice(json_values(text), _MAX_VALUES):
        try:
            error = best_match(validator.iter_errors(value))
        except Unresolvable:
            return value  # refused at submission; an unusable schema must not end in a loop of re-asking
        if error is None:
            return value
        first_error = first_error or error
    if first_error is None:
        raise ResponseTextInvalid(_NO_JSON)
    raise ResponseTextInvalid(
        f"Your response doesn't fit the requested schema: at {first_error.json_path}: {first_error.message[:500]}. "
        "Respond again with the complete JSON only."
    )
