"""Read the arguments of a tool call by path, as a tool may read them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from agentkit.policy_rules import argument_path
from agentkit.runtime.text_folding import fold, folded_constant

__all__ = ["ArgumentReader", "Reading", "accepts_argument", "has_closed_parameters", "kind_of"]

Reading = tuple[JsonValue] | None | str
"""What a path leads to: a value; None, if there is none; or why that is unclear."""

_MAX_KEYS = 10_000
"""Keys of an object that are compared with a path."""
_MAX_QUOTED_CHARS = 50


class ArgumentReader:
    """Reads one call's arguments; their keys are prepared once, however many rules look at them."""

    def __init__(self, arguments: dict[str, JsonValue]) -> None:
        self._arguments = arguments
        self._keys: dict[int, Mapping[str, list[str]]] = {}
        """The keys of objects, by the identity of the object, and by the folded key."""

    def read(self, path: str) -> Reading:
        """Return what the path leads to."""
        value: JsonValue = self._arguments
        for part in argument_path(path):
            match value:
                case dict():
                    if (problem := self._key_problem(value, part)) is not None:
                        return problem
                    if part not in value:
                        return "can't be found: a list was expected" if _is_index(part) else None
                    value = value[part]
                case list():
                    if not _is_index(part):
                        return f"can't be found: {part!r} is no position in a list"
                    if int(part) >= len(value):
                        return None
                    value = value[int(part)]
                case _:
                    return f"can't be found: {part!r} would be inside {kind_of(value)}"
        return (value,)

    def _key_problem(self, value: dict[str, JsonValue], part: str) -> str | None:
        """Return what stands against taking this key of an object: one that some tools take for the same."""
        if len(value) > _MAX_KEYS:
            return f"can't be found: there are more than {_MAX_KEYS:,} keys"
        if id(value) not in self._keys:
            keys: dict[str, list[str]] = {}
            for key in value:
                keys.setdefault(fold(key), []).append(key)
            self._keys[id(value)] = keys
        for key in self._keys[id(value)].get(folded_constant(part), ()):
            if key != part:
                return f"may be {key[:_MAX_QUOTED_CHARS]!r}, which differs from {part!r} in its writing only"
        return None


def has_closed_parameters(parameters: Mapping[str, JsonValue]) -> bool:
    """Return whether the schema of a tool's parameters names all arguments that the tool can have."""
    return parameters.get("additionalProperties") is False and "patternProperties" not in parameters


def accepts_argument(parameters: Mapping[str, JsonValue], name: str) -> bool:
    """Return whether the schema of a tool's parameters leaves room for an argument, in whatever writing."""
    if not has_closed_parameters(parameters):
        return True
    properties = parameters.get("properties")
    return isinstance(properties, dict) and any(fold(key) == folded_constant(name) for key in properties)


def kind_of(value: JsonValue) -> str:
    """Return what a value is, for people and models: ``a number``."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdigit() and (part == "0" or part[0] != "0")
