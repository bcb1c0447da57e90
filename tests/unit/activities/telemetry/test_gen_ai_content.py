from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from activities.telemetry.gen_ai_content import BoundedContent, as_json
from agentkit.config.secret_sources import SecretSource
from agentkit.interfaces import ModelResponse, NoSecrets
from agentkit.messages import (
    FilePart,
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
    Usage,
    user_message,
)
from agentkit.secrets import SecretStore
from agentkit.specs import ToolSpec

SECRET = "hunter2hunter2"
ROOM = 2_000


def content(max_bytes: int = 32_000) -> BoundedContent:
    """Return what makes contents, with a secret."""
    secrets = SecretStore({"door": SecretSource(env="DOOR")}, Path(), {"DOOR": SECRET})
    return BoundedContent(secrets, max_bytes)


def size(value: JsonValue) -> int:
    return len(as_json(value).encode())


def test_messages_are_as_the_conventions_say() -> None:
    png = base64.b64encode(b"png").decode()
    parts = (
        TextPart(text="What is this?"),
        ImagePart(url="https://example.com/a.png"),
        ImagePart.model_validate({"data": png, "media_type": "image/png"}),
        FilePart.model_validate({"data": png, "media_type": "application/pdf"}),
    )
    call = ToolCall(id="1", name="look", arguments={"place": "shop"})
    messages = [
        Message(role="user", parts=parts),
        Message(role="assistant", parts=(ThinkingPart(text="Hm."), call)),
        Message(role="tool", parts=(ToolResult(call_id="1", name="look", content="open"),)),
    ]
    assert content().messages(messages) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "What is this?"},
                {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
                {"type": "image", "mime_type": "image/png"},
                {"type": "document", "mime_type": "application/pdf", "size": 3},
            ],
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {"type": "tool_call", "id": "1", "name": "look", "arguments": {"place": "shop"}},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "open"}]},
    ]


def test_responses_instructions_and_tools_are_as_the_conventions_say() -> None:
    message = Message(role="assistant", parts=(TextPart(text="Bye."),))
    response = ModelResponse(message=message, stop_reason="refusal", usage=Usage())
    parts: list[JsonValue] = [{"type": "text", "content": "Bye."}]
    assert content().response(response) == [{"role": "assistant", "parts": parts, "finish_reason": "content_filter"}]
    assert content().instructions("Be kind.") == [{"type": "text", "content": "Be kind."}]
    spec = ToolSpec(name="look", description="Look.", parameters={"type": "object"})
    assert content().tools([spec]) == [
        {"type": "function", "name": "look", "description": "Look.", "parameters": {"type": "object"}}
    ]


def test_secrets_are_redacted_wherever_they_are_also_where_a_text_is_cut() -> None:
    encoded = base64.b64encode(SECRET.encode()).decode()
    call = ToolCall(id="1", name="look", arguments={"how": SECRET, SECRET: [encoded]})
    broken = ToolCall(id="2", name="look", malformed=f"{{{SECRET}")
    message = Message(role="assistant", parts=(TextPart(text=f"It is {SECRET}."), call, broken))
    response = ModelResponse(message=message, stop_reason="end", usage=Usage())
    spec = ToolSpec(name="look", description=SECRET, parameters={"description": SECRET})
    written = [
        content().messages([message]),
        content().response(response),
        content().instructions(SECRET),
        content().tools([spec]),
        content().value({"a": [SECRET]}),
        *(content(ROOM).instructions("x" * start + SECRET * 50) for start in range(ROOM - 200, ROOM)),
    ]
    text = as_json(written)
    assert "[secret:door]" in text
    assert "hunter" not in text
    assert encoded[:12] not in text


@pytest.mark.parametrize("character", ["x", "ü", "😀", '"', "\ud800", "\n"])
def test_contents_are_bounded_whatever_is_in_them(character: str) -> None:
    bounded = content(ROOM)
    text = character * 50_000
    many = [user_message(f"{number} {character * 100}") for number in range(500)]
    spec = ToolSpec(name="look", description=text, parameters={"description": text})
    calls = tuple(ToolCall(id=str(each), name="look", arguments={"a": text}) for each in range(5))
    response = ModelResponse(message=Message(role="assistant", parts=calls), stop_reason="end", usage=Usage())
    for value in (
        bounded.messages(many),
        bounded.messages([user_message(text)] * 3),
        bounded.response(response),
        bounded.instructions(text),
        bounded.tools([spec] * 200),
        bounded.value({"a": [text]}),
        bounded.value(text),
    ):
        assert ROOM / 4 < size(value) <= ROOM + 200
        as_json(value).encode()


def test_the_newest_messages_are_kept() -> None:
    written = content(ROOM).messages([user_message(f"{number} " + "x" * 300) for number in range(20)])
    assert isinstance(written, list)
    assert 3 < len(written) < 7
    assert json.dumps(written[-1]).startswith('{"role": "user", "parts": [{"type": "text", "content": "19 x')


def test_values_are_as_otlp_can_hold_them() -> None:
    value: JsonValue = {"big": 10**30, "small": 3, "yes": True, "none": None, "half": 0.5}
    written = BoundedContent(NoSecrets()).value(value)
    assert written == {"big": "1" + "0" * 30, "small": 3, "yes": True, "none": None, "half": 0.5}
