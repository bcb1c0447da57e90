"""Images that tools return, in the requests of every provider."""

from __future__ import annotations

import base64
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from agentkit.messages import Message, StoredContent, ToolCall, ToolResult, user_message
from agentkit.specs import ModelSettings
from agentkit.testing import ServerResponse
from tests.unit.agentkit.llm.providers import PROVIDERS

PNG = b"\x89PNG\r\n\x1a\n123"
ENCODED = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{ENCODED}"
TEXT = "[File 1: plan.png, image/png, 11 bytes]"


def image_file(media_type: str = "image/png", data: bytes = PNG) -> StoredContent:
    return StoredContent(media_type=media_type, size=len(data)).model_copy(update={"data": data})


async def sent_messages(name: str, file: StoredContent, settings: ModelSettings) -> list[dict[str, Any]]:
    """Return what is sent of two calls and their results, the first of which has the file."""
    provider = PROVIDERS[name]
    calls = tuple(ToolCall(id=f"call_{number}", name="draw") for number in (1, 2))
    results = (
        ToolResult(call_id="call_1", name="draw", content=TEXT, files=(file,)),
        ToolResult(call_id="call_2", name="draw", content="nothing"),
    )
    messages = (user_message("Go."), Message(role="assistant", parts=calls), Message(role="tool", parts=results))
    async with (
        provider.server([ServerResponse(text="ok")]) as server,
        aclosing(provider.model(base_url=server.url)) as model,
    ):
        await model.respond(replace(provider.request, messages=messages, settings=settings))
        body = server.requests[0].body
    sent: list[dict[str, Any]] = body.get("messages") or body.get("contents") or body.get("input") or []
    return sent


async def test_anthropic_gets_images_in_the_result() -> None:
    sent = await sent_messages("anthropic", image_file(), ModelSettings())
    first, second = sent[-1]["content"]
    assert first["content"] == [
        {"type": "text", "text": TEXT},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ENCODED}},
    ]
    assert second["content"] == "nothing"


async def test_responses_get_images_in_the_output() -> None:
    sent = await sent_messages("openai-responses", image_file(), ModelSettings())
    assert [item["output"] for item in sent[-2:]] == [
        [
            {"type": "input_text", "text": TEXT},
            {"type": "input_image", "image_url": URL, "detail": "auto"},
        ],
        "nothing",
    ]


@pytest.mark.parametrize("name", ["openai-chat", "openrouter"])
async def test_chat_completions_get_images_in_a_user_message_after_all_results(name: str) -> None:
    sent = await sent_messages(name, image_file(), ModelSettings())
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert sent[-3]["content"] == TEXT
    label, image = sent[-1]["content"]
    assert "draw returned" in label["text"]
    assert image == {"type": "image_url", "image_url": {"url": URL}}


async def test_a_chat_model_without_vision_gets_the_text_alone() -> None:
    sent = await sent_messages("openai-chat", image_file(), ModelSettings(omit=("image_url",)))
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]


async def test_gemini_gets_images_after_the_results() -> None:
    sent = await sent_messages("google", image_file(), ModelSettings())
    first, second, label, image = sent[-1]["parts"]
    assert first["functionResponse"]["response"] == {"output": TEXT}
    assert "functionResponse" in second
    assert "draw returned" in label["text"]
    assert image == {"inlineData": {"mimeType": "image/png", "data": ENCODED}}


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "file",
    [
        pytest.param(image_file("application/pdf"), id="no image"),
        pytest.param(image_file("image/svg+xml"), id="an image that models don't take"),
        pytest.param(image_file(data=bytes(3_750_001)), id="too large"),
        pytest.param(StoredContent(media_type="image/png", size=11), id="not kept"),
    ],
)
async def test_other_files_are_sent_as_text_alone(name: str, file: StoredContent) -> None:
    sent = await sent_messages(name, file, ModelSettings())
    assert TEXT in str(sent)
    assert "base64" not in str(sent)
    assert "inlineData" not in str(sent)
