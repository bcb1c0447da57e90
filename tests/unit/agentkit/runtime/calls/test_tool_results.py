from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.tool_results import (
    MAX_RESULT_CHARS,
    bounded,
    error_result,
    result_text,
    shown_value,
    tool_result,
)

CALL = ToolCall(id="c1", name="look")


@given(text=st.text(max_size=3000), limit=st.integers(600, 2000))
def test_bounded_text_is_the_text_itself_or_its_start_and_end(text: str, limit: int) -> None:
    short = bounded(text, limit)
    assert len(short) <= limit
    if len(text) <= limit:
        assert short == text
        return
    head, note, tail = short.partition("\n[... ")[0], "left out here", short.rpartition("...]\n")[2]
    assert note in short
    assert text.startswith(head)
    assert text.endswith(tail)
    assert head
    assert tail


def test_the_note_in_shortened_text_has_the_count_of_missing_characters_and_a_hint() -> None:
    text = "#" * 10_000_000
    short = bounded(text)
    kept = short.count("#")
    assert MAX_RESULT_CHARS - 256 <= kept < len(short) <= MAX_RESULT_CHARS
    assert f"[... {len(text) - kept:,} of {len(text):,} characters left out here" in short
    assert "Call the tool again for less at a time" in short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("text", "text", id="text"),
        pytest.param("", "", id="empty text"),
        pytest.param({"a": [1, 2.5, None, True]}, '{"a": [1, 2.5, null, true]}', id="object"),
        pytest.param("grüße", "grüße", id="not ascii"),
        pytest.param(["grüße"], '["grüße"]', id="not ascii in json"),
        pytest.param(None, "null", id="null"),
        pytest.param(42, "42", id="number"),
    ],
)
def test_strings_are_kept_and_other_values_are_json(value: JsonValue, text: str) -> None:
    assert result_text(value) == text


def test_a_result_has_the_id_and_name_of_its_call() -> None:
    assert tool_result(CALL, {"n": 1}) == ToolResult(call_id="c1", name="look", content='{"n": 1}')


def test_the_content_of_a_result_is_bounded() -> None:
    assert len(tool_result(CALL, list(range(100_000))).content) <= MAX_RESULT_CHARS


@pytest.mark.parametrize("value", ["x" * MAX_RESULT_CHARS, ["x" * (MAX_RESULT_CHARS - 4)], {"a": None}, None])
def test_a_value_whose_text_is_within_the_limit_is_shown_as_it_is(value: JsonValue) -> None:
    assert shown_value(value) == (value, None, result_text(value))


@pytest.mark.parametrize("value", ["x" * (MAX_RESULT_CHARS + 1), ["x" * MAX_RESULT_CHARS], list(range(100_000))])
def test_of_a_value_whose_text_exceeds_the_limit_start_and_end_are_shown(value: JsonValue) -> None:
    shown, omitted, text = shown_value(value)
    assert isinstance(shown, str)
    assert len(shown) < MAX_RESULT_CHARS
    assert omitted is not None
    data = text.encode()
    assert shown.encode() == data[: omitted.start] + data[omitted.end :]
    assert shown[: omitted.position] == text[: omitted.position]
    assert omitted.size == len(data)


def test_an_error_result_is_marked_and_bounded() -> None:
    result = error_result(CALL, "no " * 100_000)
    assert result.is_error
    assert len(result.content) <= MAX_RESULT_CHARS


def test_json_is_readable_by_a_model_as_json() -> None:
    value: JsonValue = {"nested": {"list": [1, {"deep": "ü"}]}}
    assert json.loads(result_text(value)) == value
