from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from agentkit.messages import (
    MAX_COUNT,
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
    Usage,
    is_text_type,
    user_message,
)


def test_the_text_of_a_message_excludes_thinking_tool_calls_and_results() -> None:
    parts = (
        ThinkingPart(text="hm"),
        TextPart(text="one "),
        ToolCall(id="c", name="look"),
        ToolResult(call_id="c", name="look", content="seen"),
        TextPart(text="two"),
    )
    assert Message(role="assistant", parts=parts).text == "one two"


def test_the_tool_calls_of_a_message_are_in_order() -> None:
    calls = (ToolCall(id="1", name="b"), ToolCall(id="2", name="a"))
    assert Message(role="assistant", parts=(calls[0], TextPart(text="and"), calls[1])).tool_calls == calls


def test_a_user_message_has_no_planner_as_its_source() -> None:
    message = user_message("hello")
    assert (message.role, message.text, message.source) == ("user", "hello", None)


def test_a_user_message_may_have_text_and_images() -> None:
    parts = (TextPart(text="what is this?"), ImagePart(url="https://example.org/cat.png"))
    assert user_message(parts).parts == parts


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="neither"),
        pytest.param({"url": "https://example.org/a.png", "data": "AAAA", "media_type": "image/png"}, id="both"),
        pytest.param({"data": "AAAA"}, id="bytes without a media type"),
    ],
)
def test_an_image_has_one_source_and_bytes_have_a_media_type(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"url or data|media_type"):
        ImagePart.model_validate(fields)


def test_the_data_of_an_image_is_base64_in_json_and_bytes_in_python() -> None:
    image = ImagePart.model_validate({"data": "iVBORw0KGgoA/w==", "media_type": "image/png"})
    assert image.data == b"\x89PNG\r\n\x1a\n\x00\xff"
    assert json.loads(image.canonical_json())["data"].strip() == "iVBORw0KGgoA/w=="


def test_a_null_in_tool_arguments_stays_in_the_canonical_json() -> None:
    call = ToolCall(id="c", name="look", arguments={"at": None})
    assert b'"arguments":{"at":null}' in call.canonical_json()


def test_a_part_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="type"):
        Message.model_validate({"role": "user", "parts": [{"type": "smell", "text": "roses"}]})


def test_the_sum_of_two_usages_has_the_sum_of_every_field() -> None:
    one = Usage(
        input_tokens=1, output_tokens=2, reasoning_tokens=3, cached_tokens=4, cache_write_tokens=5,
        cost_usd=0.5, unpriced_calls=8, model_calls=6, tool_calls=7,
    )  # fmt: skip
    assert one.model_fields_set == set(Usage.model_fields)
    assert (one + one).model_dump() == {name: 2 * value for name, value in one.model_dump().items()}


def test_tokens_are_input_and_output_without_counting_a_kind_twice() -> None:
    assert Usage(input_tokens=10, cached_tokens=9, output_tokens=5, reasoning_tokens=4).tokens == 15


@pytest.mark.parametrize(
    ("left", "right", "total"),
    [
        pytest.param(None, None, None, id="both unknown"),
        pytest.param(None, 0.25, 0.25, id="one unknown"),
        pytest.param(0.0, None, 0.0, id="free and unknown"),
    ],
)
def test_an_unknown_price_is_not_a_price_of_zero(left: float | None, right: float | None, total: float | None) -> None:
    assert (Usage(cost_usd=left) + Usage(cost_usd=right)).cost_usd == total


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (10**20, MAX_COUNT),
        (10**400, MAX_COUNT),
        (-5, 0),
        (1e300, MAX_COUNT),
        (float("nan"), 0),
        (float("inf"), MAX_COUNT),
    ],
)
def test_counts_and_sums_stay_within_what_stores_hold(value: float, count: int) -> None:
    usage = Usage.model_validate({"input_tokens": value, "cost_usd": value})
    assert (usage.input_tokens, usage.cost_usd) == (count, count)
    assert (usage + usage).input_tokens == min(2 * count, MAX_COUNT)


def test_data_of_a_provider_that_is_nested_too_deeply_is_left_out() -> None:
    data: list[object] = []
    for _ in range(150):
        data = [data]
    assert ThinkingPart.model_validate({"text": "", "data": data}).data is None


@pytest.mark.parametrize(
    ("media_type", "is_text"),
    [
        ("text/csv", True),
        ("TEXT/Plain; charset=utf-8", True),
        ("application/problem+json", True),
        ("application/x-yaml", True),
        ("application/sql", True),
        ("image/svg+xml", True),
        ("application/json-seq", False),
        ("application/pdf", False),
        ("image/png", False),
        ("", False),
    ],
)
def test_text_is_told_by_its_media_type(media_type: str, is_text: bool) -> None:
    assert is_text_type(media_type) is is_text
