from __future__ import annotations

import time

import pytest
from pydantic import JsonValue

from agentkit.errors import ResponseTextInvalid
from agentkit.json_text import check_strict_json, read_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(' {"a": [1, null]}\n', {"a": [1, None]}, id="json alone"),
        pytest.param('Here it is:\n```json\n{"a": 1}\n```\nDone.', {"a": 1}, id="fenced block"),
        pytest.param("```\n[1]\n```", [1], id="block without a language"),
        pytest.param("```python\nx\n```\n```json\n1\n```", 1, id="after a block in another language"),
        pytest.param('```json\n{"a": 1\n```\n```json\n{"b": 2}\n```', {"b": 2}, id="the first valid block"),
        pytest.param('"a"', "a", id="a string"),
    ],
)
def test_json_is_read_from_the_text_or_a_fenced_block(text: str, value: JsonValue) -> None:
    assert read_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param('The result is {"a": 1}.', id="json among words"),
        pytest.param("```json\nno\n```", id="block without json"),
        pytest.param('{"a": NaN}', id="not a number"),
        pytest.param("1e999", id="infinity"),
        pytest.param('"\\ud800"', id="lone surrogate"),
        pytest.param("[" * 100_000, id="nested too deeply"),
    ],
)
def test_other_text_is_an_error_with_feedback_for_the_model(text: str) -> None:
    with pytest.raises(ResponseTextInvalid, match="Respond with the JSON only"):
        read_json(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), ["\ud800"], {"\udfff": 1}])
def test_values_that_only_python_accepts_as_json_are_refused(value: JsonValue) -> None:
    with pytest.raises(ValueError, match=r"JSON compliant|surrogates not allowed"):
        check_strict_json(value)


@pytest.mark.parametrize("repeated", ["\n", "```", "```\n", "```json\n", "``` "])
def test_a_long_response_without_a_complete_block_takes_less_than_a_second(repeated: str) -> None:
    start = time.process_time()
    with pytest.raises(ResponseTextInvalid):
        read_json("```json" + repeated * (200_000 // len(repeated)) + "``")
    assert time.process_time() - start < 1, "a workflow task has 2 s; in quadratic time this takes minutes"


def test_a_valid_value_is_returned_unchanged() -> None:
    value: JsonValue = {"a": ["ü", None, 1.5]}
    assert check_strict_json(value) is value
