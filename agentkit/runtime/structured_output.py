"""Structured output: the JSON in a model's response, validated against a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from agentkit.errors import ConfigurationInvalid, ResponseTextInvalid
from agentkit.json_text import read_json

__all__ = ["check_schema", "read_output"]

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
    """Return the JSON value that a response holds, if it fits the schema.

    Raises:
        ResponseTextInvalid: the text is no JSON, or the value doesn't fit; the message names the place.
    """
    value = read_json(text)
    try:
        error = best_match(Draft202012Validator(schema, registry=_REGISTRY).iter_errors(value))
    except Unresolvable:
        return value  # refused at submission; an unusable schema must not end in a loop of re-asking
    if error is not None:
        raise ResponseTextInvalid(
            f"Your response doesn't fit the requested schema: at {error.json_path}: {error.message[:500]}. "
            "Respond again with the complete JSON only."
        )
    return value
