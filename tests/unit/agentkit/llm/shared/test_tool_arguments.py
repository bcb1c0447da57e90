from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.llm.shared.tool_arguments import parse_arguments, parse_object, parse_object_at


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"a": [1, null]}', {"a": [1, None]}, id="an object"),
        pytest.param(' \n{"a": 1}\n', {"a": 1}, id="white space around it"),
        pytest.param("  ", {}, id="blank"),
        pytest.param("[1]", None, id="a list"),
        pytest.param('{"a": 1} {"b": 2}', None, id="two objects"),
        pytest.param('{"a": 1', None, id="incomplete"),
        pytest.param('{"a": NaN}', None, id="a constant that JSON lacks"),
        pytest.param('{"a": "\\ud83d"}', None, id="a lone surrogate"),
        pytest.param('{"a": ' * 100_000, None, id="deeply nested"),
    ],
)
def test_arguments_are_a_json_object_or_nothing(text: str, expected: dict[str, JsonValue] | None) -> None:
    assert parse_object(text) == expected


def test_an_object_inside_a_text_is_parsed_from_its_position() -> None:
    text = 'add {"a": 1} & clock'
    assert parse_object_at(text, 4) == ({"a": 1}, 12)
    assert parse_object_at(text, 0) == (None, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"a": 1}', {"a": 1}, id="an object"),
        pytest.param("", {}, id="nothing"),
        pytest.param("null", {}, id="null"),
        pytest.param('"null"', {}, id="null as text"),
        pytest.param('""', {}, id="empty text"),
        pytest.param("{}", {}, id="an empty object"),
        pytest.param("{ }{}", {}, id="two empty objects"),
        pytest.param('{}{"a": 1}', {"a": 1}, id="an empty object before it"),
        pytest.param('null{"a": 1}', {"a": 1}, id="null before it"),
        pytest.param('""\n{"a": 1}', {"a": 1}, id="empty text before it"),
        pytest.param('{"a": 1}{"a": 1}', {"a": 1}, id="repeated"),
        pytest.param('"{\\"a\\": 1}"', {"a": 1}, id="JSON in JSON"),
        pytest.param('{"a": 1}{"a": 2}', None, id="two objects"),
        pytest.param('{"a": 1}{}', None, id="an empty object after it"),
        pytest.param('{}{"a":', None, id="incomplete"),
        pytest.param('"a"', None, id="text"),
        pytest.param('"a', None, id="incomplete text"),
        pytest.param("[]", None, id="a list"),
        pytest.param("nullable", None, id="a word that begins with null"),
    ],
)
def test_arguments_are_parsed_in_every_form(text: str, expected: dict[str, JsonValue] | None) -> None:
    assert parse_arguments(text) == expected


@pytest.mark.parametrize(("levels", "is_parsed"), [(99, True), (100, False), (249, False), (100_000, False)])
def test_arguments_that_are_nested_too_deeply_count_as_malformed(levels: int, is_parsed: bool) -> None:
    text = '{"a": ' + "[" * levels + "]" * levels + "}"
    assert (parse_arguments(text) is not None) is is_parsed
