from __future__ import annotations

import pytest
from pydantic import ValidationError

from agentkit.messages import (
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
    Usage,
    user_message,
)

PIXEL = b"\x89PNG\r\n\x1a\n\x00\xff"


def test_the_text_of_a_message_holds_neither_thinking_nor_calls_nor_results() -> None:
    parts = (
        ThinkingPart(text="hm"),
        TextPart(text="one "),
        ToolCall(id="c", name="look"),
        ToolResult(call_id="c", name="look", content="seen"),
        TextPart(text="two"),
    )
    assert Message(role="assistant", parts=parts).text == "one two"


def test_the_tool_calls_of_a_message_come_in_order() -> None:
    calls = (ToolCall(id="1", name="b"), ToolCall(id="2", name="a"))
    assert Message(role="assistant", parts=(calls[0], TextPart(text="and"), calls[1])).tool_calls == calls


def test_what_a_person_said_is_a_user_message_that_no_planner_wrote() -> None:
    message = user_message("hello")
    assert (message.role, message.text, message.source) == ("user", "hello", None)


def test_a_person_may_send_text_and_images_together() -> None:
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
def test_an_image_has_one_source_and_bytes_say_what_they_are(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"url or data|media_type"):
        ImagePart.model_validate(fields)


def test_messages_of_every_part_survive_json() -> None:
    image = ImagePart.model_validate({"data": "iVBORw0KGgoA/w==", "media_type": "image/png"})
    assert image.data == PIXEL
    parts = (
        TextPart(text="t"),
        image,
        ThinkingPart(text="h", signature="s"),
        ToolCall(id="c", name="look", arguments={"deep": [1, {"er": None}]}),
        ToolCall(id="d", name="look", malformed="{"),
        ToolResult(call_id="c", name="look", content="seen", is_error=True),
    )
    message = Message(role="assistant", parts=parts, model="demo:demo")
    assert Message.model_validate_json(message.canonical_json()) == message


def test_a_null_in_tool_arguments_stays_in_the_canonical_json() -> None:
    call = ToolCall(id="c", name="look", arguments={"at": None})
    assert ToolCall.model_validate_json(call.canonical_json()) == call


def test_a_part_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="type"):
        Message.model_validate({"role": "user", "parts": [{"type": "smell", "text": "roses"}]})


def test_usage_sums_every_count() -> None:
    one = Usage(input_tokens=1, output_tokens=2, cached_tokens=3, cost_usd=0.5, model_calls=4, tool_calls=5)
    two = Usage(input_tokens=10, output_tokens=20, cached_tokens=30, cost_usd=0.25, model_calls=40, tool_calls=50)
    assert one + two == Usage(
        input_tokens=11, output_tokens=22, cached_tokens=33, cost_usd=0.75, model_calls=44, tool_calls=55
    )
    assert (one + two).tokens == 33


@pytest.mark.parametrize(
    ("left", "right", "total"),
    [
        pytest.param(None, None, None, id="no price known"),
        pytest.param(None, 0.25, 0.25, id="one price known"),
        pytest.param(0.0, None, 0.0, id="free is a price"),
    ],
)
def test_an_unknown_price_is_not_a_price_of_zero(left: float | None, right: float | None, total: float | None) -> None:
    assert (Usage(cost_usd=left) + Usage(cost_usd=right)).cost_usd == total
