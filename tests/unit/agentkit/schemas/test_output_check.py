from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.json_text import json_values
from agentkit.schemas.output_check import check_output
from tests.cpu_time import relative_cpu_s


def output_of(text: str, schema: Mapping[str, JsonValue]) -> JsonValue:
    """Return the value that fits."""
    check = check_output(text, schema)
    assert check.index is not None, check
    return next(itertools.islice(json_values(text), check.index, None))


def mismatch(text: str, schema: Mapping[str, JsonValue]) -> str:
    """Return why none fits."""
    check = check_output(text, schema)
    assert check.index is None
    assert check.mismatch is not None
    return check.mismatch


CITY: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"city": "Paris"}', id="only JSON"),
        pytest.param('  {"city": "Paris"}\n', id="white space"),
        pytest.param('Here it is:\n```json\n{"city": "Paris"}\n```\nAnything else?', id="fenced"),
        pytest.param('```\n{"city": "Paris"}\n```', id="fence without a language"),
        pytest.param('```json\nnot this\n```\n```json\n{"city": "Paris"}\n```', id="second fence"),
        pytest.param('~~~JSON\n{"city": "Paris"}\n~~~', id="other fence"),
        pytest.param('It is {"city": "Paris"}, I think [1].', id="among words"),
        pytest.param('As in [1] and {"people": 2}: {"city": "Paris"}', id="the first that fits"),
        pytest.param('{"town": "Rome"}\n\n```json\n{"city": "Paris"}\n```\n{"city": "Oslo"}', id="fenced before bare"),
    ],
)
def test_the_first_json_that_fits_is_read_from_the_text_or_a_fenced_block_or_among_words(text: str) -> None:
    assert output_of(text, CITY) == {"city": "Paris"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("Paris", "Respond with the JSON only", id="no JSON"),
        pytest.param("", "Respond with the JSON only", id="empty"),
        pytest.param("[" * 100_000, "Respond with the JSON only", id="too deep"),
        pytest.param("{}", "'city' is a required property", id="missing key"),
        pytest.param('{"city": 1}', r"\$\.city: 1 is not of type 'string'", id="type"),
        pytest.param('{"city": "Paris", "x": 1}', "'x' was unexpected", id="unknown key"),
    ],
)
def test_output_that_does_not_fit_is_an_error_that_names_the_place(text: str, message: str) -> None:
    assert re.search(message, mismatch(text, CITY))


def test_backticks_inside_a_string_are_part_of_it() -> None:
    text = '```json\n{"city": "a ```b``` c"}\n```'
    assert output_of(text, CITY) == {"city": "a ```b``` c"}


def test_of_several_values_that_do_not_fit_the_feedback_is_about_the_first() -> None:
    assert "$.city: 1 is not" in mismatch('{"city": 1} or {"city": []}', CITY)


def test_a_response_of_very_many_values_takes_seconds_at_most() -> None:
    def check() -> None:
        assert "doesn't fit" in mismatch('{"city": 1} ' * 20_000, CITY)

    assert relative_cpu_s(check) < 5


_json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


@given(value=_json_values)
def test_any_json_value_is_read_back(value: JsonValue) -> None:
    assert output_of(json.dumps(value), {}) == value
    assert output_of(f"Here:\n```json\n{json.dumps(value)}\n```", {}) == value


@given(text=st.text(max_size=60))
def test_any_text_is_output_or_an_error_for_the_model(text: str) -> None:
    check = check_output(text, {"type": "string"})
    assert (check.index is None) != (check.mismatch is None)


NESTED: dict[str, JsonValue] = {"type": "array", "items": {"$ref": "#"}}


@pytest.mark.parametrize(("depth", "fits"), [(100, True), (101, False)])
def test_a_value_may_be_nested_a_hundred_levels_deep(depth: int, fits: bool) -> None:
    check = check_output("[" * depth + "]" * depth, {})
    assert (check.index == 0) is fits
    assert fits or "nested too deeply: 100 levels at most" in (check.mismatch or "")


@pytest.mark.parametrize(
    ("schema", "text", "fits"),
    [
        pytest.param({"pattern": "^(a+)+$"}, json.dumps("a" * 5_000 + "!"), False, id="nested quantifiers"),
        pytest.param(
            {"pattern": r"^([a-zA-Z0-9_\.\-])+\@(([a-zA-Z0-9\-])+\.)+([a-zA-Z0-9]{2,4})+$"},
            json.dumps("a@" + "a" * 5_000),
            False,
            id="e-mail pattern",
        ),
        pytest.param({"patternProperties": {"^(a+)+$": False}}, json.dumps({"a" * 5_000 + "!": 1}), True, id="keys"),
        pytest.param({"pattern": r"^(?=.*\d)x"}, '"x1"', True, id="lookahead"),
        pytest.param({"pattern": r"^(a)\1$"}, '"aa"', True, id="backreference"),
        pytest.param({"multipleOf": 0.5}, "1" * 401, True, id="multiple of a fraction"),
        pytest.param({"multipleOf": 0.1}, "0.3", True, id="tenths are exact"),
        pytest.param({"multipleOf": 0.1}, "0.35", False, id="no tenth"),
        pytest.param({"uniqueItems": True}, json.dumps([{"a": n} for n in range(20_000)]), True, id="unique objects"),
        pytest.param({"uniqueItems": True}, '[{"a": 1, "b": 2}, {"b": 2.0, "a": 1}]', False, id="the same object"),
        pytest.param({"uniqueItems": True}, "[1, true, 0, false]", True, id="numbers and booleans"),
        pytest.param(
            {"patternProperties": {"^x": {}}, "additionalProperties": False}, '{"x1": 1}', True, id="matched property"
        ),
        pytest.param(
            {"patternProperties": {"^x": {}}, "additionalProperties": {"type": "string"}}, '{"y": 1}', False, id="other"
        ),
    ],
)
def test_keywords_are_exact_and_take_linear_time(schema: Mapping[str, JsonValue], text: str, fits: bool) -> None:
    def check() -> None:
        assert (check_output(text, schema).index == 0) is fits

    assert relative_cpu_s(check) < 10
