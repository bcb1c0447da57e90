"""Values of parameters are written as the specification's table of styles has them."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.openapi.openapi_parameters import Parameter, Place, path_text, query_pairs, scalar_text

COLOURS: JsonValue = ["blue", "black"]
RGB: JsonValue = {"R": 100, "G": 200}


def parameter(style: str, *, explode: bool, place: Place = "query", allow_reserved: bool = False) -> Parameter:
    return Parameter("color", "color", place, style, explode, allow_reserved=allow_reserved)


@pytest.mark.parametrize(
    ("style", "explode", "value", "expected"),
    [
        ("form", True, "a b", "color=a%20b"),
        ("form", True, "", "color="),
        ("form", True, COLOURS, "color=blue&color=black"),
        ("form", False, COLOURS, "color=blue,black"),
        ("form", True, RGB, "R=100&G=200"),
        ("form", False, RGB, "color=R,100,G,200"),
        ("form", True, [], ""),
        ("form", False, [], ""),
        ("spaceDelimited", False, COLOURS, "color=blue%20black"),
        ("pipeDelimited", False, COLOURS, "color=blue|black"),
        ("pipeDelimited", False, RGB, "color=R|100|G|200"),
        ("deepObject", True, RGB, "color[R]=100&color[G]=200"),
        ("deepObject", True, {"a": [1, 2]}, "color[a]=1&color[a]=2"),
        ("form", True, True, "color=true"),
        ("form", True, None, "color="),
        ("form", True, "a&b=c#d", "color=a%26b%3Dc%23d"),
    ],
)
def test_values_in_a_query(style: str, value: JsonValue, expected: str, *, explode: bool) -> None:
    assert "&".join(query_pairs(parameter(style, explode=explode), value)) == expected


def test_reserved_characters_may_be_left_as_they_are_but_for_those_that_end_a_value() -> None:
    allowed = parameter("form", explode=True, allow_reserved=True)
    assert query_pairs(allowed, "a/b?c=d&e#f+g") == ["color=a/b?c=d%26e%23f%2Bg"]


@pytest.mark.parametrize(
    ("explode", "value", "expected"),
    [
        (False, "a/b", "a%2Fb"),
        (False, COLOURS, "blue,black"),
        (False, RGB, "R,100,G,200"),
        (True, RGB, "R=100,G=200"),
        (False, 1.5, "1.5"),
    ],
)
def test_values_in_a_path(value: JsonValue, expected: str, *, explode: bool) -> None:
    assert path_text(parameter("simple", explode=explode, place="path"), value) == expected


def test_a_value_in_a_path_leads_to_no_other_path_even_where_reserved_characters_are_allowed() -> None:
    allowed = parameter("simple", explode=False, place="path", allow_reserved=True)
    assert path_text(allowed, "../admin?all=1#x") == "..%2Fadmin%3Fall=1%23x"


def test_scalars_are_text_and_others_json() -> None:
    values: list[JsonValue] = ["é", 1, False, {"é": [1]}]
    assert [scalar_text(value) for value in values] == ["é", "1", "false", '{"é":[1]}']
