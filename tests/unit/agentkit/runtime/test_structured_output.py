from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.errors import ConfigurationInvalid, ResponseTextInvalid
from agentkit.runtime.structured_output import check_schema, read_output

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
    assert read_output(text, CITY) == {"city": "Paris"}


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
    with pytest.raises(ResponseTextInvalid, match=message):
        read_output(text, CITY)


def test_backticks_inside_a_string_are_part_of_it() -> None:
    text = '```json\n{"city": "a ```b``` c"}\n```'
    assert read_output(text, CITY) == {"city": "a ```b``` c"}


def test_of_several_values_that_do_not_fit_the_feedback_is_about_the_first() -> None:
    with pytest.raises(ResponseTextInvalid, match=r"\$\.city: 1 is not"):
        read_output('{"city": 1} or {"city": []}', CITY)


def test_a_response_of_very_many_values_takes_less_than_a_second() -> None:
    start = time.process_time()
    with pytest.raises(ResponseTextInvalid, match="doesn't fit"):
        read_output('{"city": 1} ' * 20_000, CITY)
    assert time.process_time() - start < 1, "a workflow task has 2 s"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        pytest.param({"type": "thing"}, r"no JSON Schema: at \$\.type", id="type"),
        pytest.param({"properties": []}, "no JSON Schema", id="properties"),
        pytest.param({"$ref": "#/$defs/nowhere"}, "refers to", id="missing definition"),
        pytest.param({"$ref": "http://127.0.0.1:9/schema"}, "refers to", id="another document"),
    ],
)
def test_an_unusable_schema_is_refused(schema: Mapping[str, JsonValue], message: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=message):
        check_schema(schema)


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
    assert read_output(json.dumps(value), {}) == value
    assert read_output(f"Here:\n```json\n{json.dumps(value)}\n```", {}) == value


@given(text=st.text(max_size=60))
def test_any_text_is_output_or_an_error_for_the_model(text: str) -> None:
    with suppress(ResponseTextInvalid):
        read_output(text, {"type": "string"})
