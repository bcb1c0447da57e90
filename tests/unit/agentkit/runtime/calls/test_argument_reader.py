from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.runtime.calls.argument_reader import ArgumentReader, Reading, accepts_argument, kind_of

ARGUMENTS: dict[str, JsonValue] = {"to": {"iban": "DE1", "Amount": 5}, "items": ["a", {"b": None}], "text": "x"}


@pytest.mark.parametrize(
    ("path", "reading"),
    [
        ("text", ("x",)),
        ("to.iban", ("DE1",)),
        ("items.0", ("a",)),
        ("items.1.b", (None,)),
        ("items.2", None),
        ("none", None),
        ("to.bic", None),
    ],
)
def test_a_path_leads_to_a_value_or_to_none(path: str, reading: Reading) -> None:
    assert ArgumentReader(ARGUMENTS).read(path) == reading


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("to.amount", "may be 'Amount', which differs from 'amount' in its writing only"),
        ("items.first", "can't be found: 'first' is no position in a list"),
        ("items.01", "can't be found: '01' is no position in a list"),
        ("to.0", "can't be found: a list was expected"),
        ("text.a", "can't be found: 'a' would be inside text"),
    ],
)
def test_what_a_tool_may_read_in_another_way_is_unclear(path: str, reason: str) -> None:
    assert ArgumentReader(ARGUMENTS).read(path) == reason


def test_an_object_with_very_many_keys_is_unclear() -> None:
    many: dict[str, JsonValue] = {str(number): 1 for number in range(10_001)}
    assert ArgumentReader(many).read("a") == "can't be found: there are more than 10,000 keys"


def test_only_a_closed_schema_has_no_room_for_an_argument() -> None:
    closed: dict[str, JsonValue] = {"properties": {"Amount": {}}, "additionalProperties": False}
    assert accepts_argument(closed, "amount")
    assert not accepts_argument(closed, "iban")
    assert accepts_argument({"properties": {}}, "iban")
    assert accepts_argument({**closed, "patternProperties": {"^i": {}}}, "iban")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), (True, "true or false"), (1.5, "a number"), ("", "text"), ([], "a list"), ({}, "an object")],
)
def test_kinds_have_words(value: JsonValue, kind: str) -> None:
    assert kind_of(value) == kind
