"""Parameters of operations: their values as text in paths, queries, headers and cookies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from pydantic import JsonValue

from agentkit.errors import ToolArgumentsInvalid

__all__ = ["Parameter", "Place", "form_pairs", "header_text", "path_text", "query_pairs", "scalar_text"]

Place = Literal["path", "query", "header", "cookie"]

_RESERVED = ":/?#[]@!$&'()*+,;="
_DELIMITERS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "|"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation, and the name of the argument that is its value."""

    argument: str
    name: str
    place: Place
    style: str
    explode: bool
    is_json: bool = False
    """Its value is sent as JSON."""
    allow_reserved: bool = False
    """Reserved characters in its value aren't percent-encoded: in a query only, where OpenAPI allows it."""


def scalar_text(value: JsonValue) -> str:
    """Return a value as text: as it is, or as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def path_text(parameter: Parameter, value: JsonValue) -> str:
    """Return the text of a parameter in a path, percent-encoded.

    Raises:
        ToolArgumentsInvalid: it would lead to another path.
    """
    text = header_text(parameter, value)
    if text in ("", ".", ".."):
        raise ToolArgumentsInvalid(f"{parameter.argument}: {text!r} can't be part of a path. Nothing was sent.")
    return quote(text, safe=",=")


def header_text(parameter: Parameter, value: JsonValue) -> str:
    """Return the text of a parameter in OpenAPI's style ``simple``, not encoded."""
    if parameter.is_json:
        return json.dumps(value)
    if isinstance(value, list):
        return ",".join(map(scalar_text, value))
    if isinstance(value, dict):
        joint = "=" if parameter.explode else ","
        return ",".join(f"{name}{joint}{scalar_text(item)}" for name, item in value.items())
    return scalar_text(value)


def query_pairs(parameter: Parameter, value: JsonValue) -> list[str]:
    """Return the parts of a query that state a parameter: ``name=value`` each, percent-encoded."""
    safe = _RESERVED.replace("&", "").replace("#", "").replace("+", "") if parameter.allow_reserved else ""
    return [f"{quote(name, safe='[]')}={text}" for name, text in _encoded_pairs(parameter, value, safe)]


def _encoded_pairs(parameter: Parameter, value: JsonValue, safe: str) -> list[tuple[str, str]]:
    name = parameter.name
    if parameter.is_json or not isinstance(value, list | dict):
        return [(name, quote(json.dumps(value) if parameter.is_json else scalar_text(value), safe=safe))]
    if parameter.style == "deepObject":
        return [(key, quote(text, safe=safe)) for key, text in _deep_pairs(name, value)]
    if isinstance(value, list):
        items = [quote(scalar_text(item), safe=safe) for item in value]
        if parameter.explode:
            return [(name, item) for item in items]
        return [(name, _DELIMITERS.get(parameter.style, ",").join(items))] if items else []
    pairs = [(key, quote(scalar_text(item), safe=safe)) for key, item in value.items()]
    if parameter.explode:
        return pairs
    flat = [text for key, item in pairs for text in (quote(key, safe=safe), item)]
    return [(name, _DELIMITERS.get(parameter.style, ",").join(flat))] if flat else []


def _deep_pairs(name: str, value: JsonValue) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in _deep_pairs(f"{name}[{key}]", item)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [(name, scalar_text(item)) for item in value]
    return [(name, scalar_text(value))]


def form_pairs(name: str, value: JsonValue, *, explode: bool, is_json: bool) -> list[tuple[str, str]]:
    """Return the fields of a form that state a property, not encoded."""
    if isinstance(value, list) and not is_json:
        items = [scalar_text(item) for item in value]
        return [(name, item) for item in items] if explode else [(name, ",".join(items))]
    return [(name, json.dumps(value) if is_json else scalar_text(value))]
