from __future__ import annotations

import pytest

from agentkit.interfaces import ModelRequest
from agentkit.llm.shared.usage_estimates import estimate_usage
from agentkit.messages import (
    ContentPart,
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
    Usage,
    user_message,
)
from agentkit.specs import ToolSpec

EMPTY = Message(role="assistant", parts=())


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        pytest.param(TextPart(text="x" * 40), 10, id="text"),
        pytest.param(ThinkingPart(text="x" * 41), 11, id="thinking, rounded up"),
        pytest.param(ToolCall(id="1", name="clock", arguments={"a": 1}), 4, id="tool call"),
        pytest.param(ToolCall(id="1", name="clock", malformed="{no"), 2, id="malformed tool call"),
    ],
)
def test_a_response_counts_a_token_for_four_characters(part: ContentPart, tokens: int) -> None:
    request = ModelRequest(model="test:model", system="", messages=())
    response = Message(role="assistant", parts=(part,))
    assert estimate_usage(request, response) == Usage(output_tokens=tokens, model_calls=1)


def test_a_request_counts_its_instructions_messages_images_and_tools() -> None:
    clock = ToolSpec(name="clock", description="Tells the time", parameters={})  # 5 + 14 + 2 characters
    messages = (
        user_message((TextPart(text="x" * 8), ImagePart(url="https://example.org/a.png"))),
        Message(role="tool", parts=(ToolResult(call_id="1", name="clock", content="noon"),)),
    )
    request = ModelRequest(model="test:model", system="x" * 12, messages=messages, tools=(clock,))
    assert estimate_usage(request, EMPTY).input_tokens == (12 + 8 + 4_000 + 4 + 21) / 4 + 0.75
