"""Structured output is found, checked, and what is wrong is told to the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.errors import ConfigurationInvalid, ResponseTextInvalid
from agentkit.json_text import read_json
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
        pytest.param('{"city": "Paris"}', id="bare"),
        pytest.param('  {"city": "Paris"}\n', id="space"),
        pytest.param('Here it is:\n```json\n{"city": "Paris"}\n```\nAnything else?', id="fenced"),
        pytest.param('```\n{"city": "Paris"}\n```', id="fence without a language"),
        pytest.param('```json\nnot this\n```\n```json\n{"city": "Paris"}\n```', id="second fence"),
    ],
)
def test_json_is_found_where_models_put_it(text: str) -> None:
    assert read_output(text, CITY) == {"city": "Paris"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("Paris", "is no JSON", id="words"),
        pytest.param("", "is no JSON", id="nothing"),
        pytest.param("[" * 100_000, "is no JSON", id="bottomless"),
        pytest.param("{}", "'city' is a required property", id="missing"),
        pytest.param('{"city": 1}', r"\$\.city: 1 is not of type 'string'", id="type"),
        pytest.param('{"city": "Paris", "x": 1}', "'x' was unexpected", id="unknown key"),
    ],
)
def test_what_does_not_fit_is_told(text: str, told: str) -> None:
    with pytest.raises(ResponseTextInvalid, match=told):
        read_output(text, CITY)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        pytest.param({"type": "thing"}, r"no JSON Schema: at \$\.type", id="type"),
        pytest.param({"properties": []}, "no JSON Schema", id="properties"),
        pytest.param({"$ref": "#/$defs/nowhere"}, "refers to '/\\$defs/nowhere'|refers to", id="dangling"),
        pytest.param({"$ref": "http://127.0.0.1:9/schema"}, "refers to", id="elsewhere"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: Mapping[str, JsonValue], told: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=told):
        check_schema(schema)


@given(text=st.text(max_size=60))
def test_any_text_is_json_or_told_to_be_none(text: str) -> None:
    with suppress(ResponseTextInvalid):
        assert read_json(text) == json.loads(text)  # hypothesis writes no fences
