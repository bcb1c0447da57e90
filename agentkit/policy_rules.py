"""Rules of an agent's security policy, as people write them under ``policy:``."""

from __future__ import annotations

import functools
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, Strict, field_validator, model_validator

from agentkit.config.durations import Duration
from agentkit.json_text import MAX_JSON_DEPTH, check_strict_json, is_deeper_than
from agentkit.records import Record
from agentkit.validation.number_fields import require_number

__all__ = [
    "MAX_RULES",
    "REPLACED_KEYS",
    "Condition",
    "Effect",
    "Expiry",
    "PolicyRule",
    "Verdict",
    "argument_path",
]

Effect = Literal["pure", "idempotent", "irreversible"]
"""``pure``: no side effect. ``idempotent``: safe to repeat with the same key. ``irreversible``: neither."""

Verdict = Literal["allow", "ask", "deny"]
"""What a rule decides: the call is made, a person is asked first, or it is not made."""

Expiry = Literal["approve", "deny", "fail", "escalate"]
"""What happens when nobody has answered in time; ``fail`` ends the task, ``escalate`` asks others."""

REPLACED_KEYS = {
    "approvals": "policy has replaced it. Instead of {tool: NAME, when: never} write policy: "
    "[{tool: NAME, then: allow}], and then: ask instead of when: always"
}
"""Keys of agent files of earlier checkouts, with what to write now."""

MAX_RULES = 200
"""Rules of one agent."""
_MAX_CONDITIONS = 20
_MAX_OPTIONS = 1_000
_MAX_PATTERN_CHARS = 1_000
_MAX_PATH_CHARS = 200

_NAME = r"""[^\x00-\x20\x7f.*\[\]$/~"']+"""
_DOTTED = re.compile(rf"{_NAME}(?:\.{_NAME})*")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")


@functools.lru_cache(4_096)
def argument_path(path: str) -> tuple[str, ...]:
    """Return the keys and list positions that a path names, from the arguments inwards.

    A path is dotted (``order.items.0.price``), or a JSON Pointer (``/order/unit.price``), which can name any key.

    Raises:
        ValueError: it is neither.
    """
    if _DOTTED.fullmatch(path):
        return tuple(path.split("."))
    if _POINTER.fullmatch(path):
        return tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    raise ValueError(
        "expected names and list positions joined by dots, such as order.items.0.price, "
        f"or a JSON Pointer such as /order/unit.price, got {path!r}"
    )


def _check_path(path: str) -> str:
    argument_path(path)
    return path


def _check_constant(value: JsonValue) -> JsonValue:
    if is_deeper_than(value, MAX_JSON_DEPTH):
        raise ValueError(f"nested too deeply: {MAX_JSON_DEPTH} levels at most")
    try:
        return check_strict_json(value)
    except ValueError:
        raise ValueError("expected JSON, which has neither infinity nor NaN nor lone surrogates") from None


def _not_null_schema(schema: dict[str, Any]) -> None:
    schema.clear()
    schema["not"] = {"type": "null"}


def _conditions_schema(schema: dict[str, Any]) -> None:
    _without_null(schema)
    schema["propertyNames"]["pattern"] = f"^(?:{_DOTTED.pattern}|{_POINTER.pattern})$"


def _absent(value: object) -> bool:
    return value is None


def _without_null(schema: dict[str, Any]) -> None:
    del schema["default"]
    types = [schema_type for schema_type in schema.pop("anyOf", ()) if schema_type != {"type": "null"}]
    schema.update(types[0] if len(types) == 1 else {"anyOf": types} if types else {})


def _optional(**options: Any) -> Any:
    """Return a field that is left out of JSON where it isn't set: JSON's null is never a value of it."""
    return Field(default=None, exclude_if=_absent, **{"json_schema_extra": _without_null, **options})


_Constant = Annotated[JsonValue, AfterValidator(_check_constant)]
_Number = Annotated[int, Strict()] | Annotated[float, Strict(), Field(allow_inf_nan=False)]
_Text = Annotated[str, Field(min_length=1, max_length=255)]
_Path = Annotated[str, Field(max_length=_MAX_PATH_CHARS), AfterValidator(_check_path)]


class _RuleRecord(Record):
    """A record that people write by hand: an unknown key is an error, and so is a key without a value.

    Its JSON has the names that people write, such as ``if``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("expected a value, got none. Leave the key out; null is written in: [null]")
        return value


class Condition(_RuleRecord):
    """Tests of one argument of a call; all of them must hold."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    equals: _Constant | None = _optional(json_schema_extra=_not_null_schema)
    in_: Annotated[tuple[_Constant, ...], Field(min_length=1, max_length=_MAX_OPTIONS)] | None = _optional(alias="in")
    """Values, one of which the argument equals."""
    matches: Annotated[str, Field(max_length=_MAX_PATTERN_CHARS)] | None = _optional()
    """A regular expression of RE2."""
    lt: _Number | None = _optional()
    lte: _Number | None = _optional()
    gt: _Number | None = _optional()
    gte: _Number | None = _optional()
    exists: Annotated[bool, Strict()] | None = _optional()
    """Whether the call has the argument."""

    @model_validator(mode="after")
    def _any_test(self) -> Self:
        if not self.model_fields_set:
            names = ", ".join(field.alias or name for name, field in type(self).model_fields.items())
            raise ValueError(f"expected a test such as {{lte: 50}}; there are {names}")
        return self


_KEYS_OF_ASK = ("approvers", "count", "expires", "on_expiry", "escalate_to")
_NEVER: dict[str, JsonValue] = {"not": {}}
_VALID_COMBINATIONS: list[JsonValue] = [
    {"properties": {"then": {"enum": ["allow", "deny"]}, **dict.fromkeys(_KEYS_OF_ASK, _NEVER)}},
    {"properties": {"then": {"const": "ask"}, "on_expiry": {"not": {"const": "escalate"}}, "escalate_to": _NEVER}},
    {
        "properties": {"then": {"const": "ask"}, "on_expiry": {"const": "escalate"}},
        "required": ["on_expiry", "escalate_to"],
    },
]
"""What ``PolicyRule._consistent`` checks, in JSON Schema."""


class PolicyRule(_RuleRecord):
    """Whether calls of a tool are made, need a person's approval, or are not made; the first matching rule decides."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _VALID_COMBINATIONS})

    tool: _Text
    """A name as in the agent's ``tools``; ``*`` matches any text, ``?`` any character, ``[ab]`` one of them."""
    effect: Effect | None = _optional()
    """Only tools with this effect."""
    if_: Annotated[dict[_Path, Condition], Field(min_length=1, max_length=_MAX_CONDITIONS)] | None = _optional(
        alias="if", json_schema_extra=_conditions_schema
    )
    """Tests of the arguments by their paths; all of them must hold."""
    then: Verdict
    reason: Annotated[str, Field(min_length=1, max_length=500)] | None = _optional()
    """For the model whose call is denied, or the person who is asked."""
    approvers: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=100)] | None = _optional()
    """People and groups who may approve; without it, anyone may."""
    count: Annotated[int, Field(ge=1, le=100)] | None = _optional()
    """How many of them must approve."""
    expires: Duration | None = _optional()
    """Seconds until the request for approval expires."""
    on_expiry: Expiry | None = _optional()
    escalate_to: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=100)] | None = _optional()
    """Who is asked next, with ``on_expiry: escalate``."""

    _number = field_validator("count", mode="before")(require_number)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        asking = [name for name in _KEYS_OF_ASK if name in self.model_fields_set]
        if asking and self.then != "ask":
            raise ValueError(f"{', '.join(asking)}: only with then: ask, got then: {self.then}")
        if (self.on_expiry == "escalate") != (self.escalate_to is not None):
            raise ValueError("on_expiry: escalate and escalate_to are written together")
        return self
