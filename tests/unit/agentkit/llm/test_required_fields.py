"""Fields that a provider's API requires are in every request, also where their value is empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, TextPart, ThinkingPart, ToolCall, ToolResult, user_message
from agentkit.specs import ModelSettings, ToolSpec
from agentkit.testing import ServerResponse
from tests.unit.agentkit.llm.providers import PROVIDERS, Provider

every_provider = pytest.mark.parametrize("name", PROVIDERS)

REQUIRED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "chat": {
        "user": ("content",),
        "assistant": ("content",),
        "tool": ("content", "tool_call_id"),
        "function": ("function",),
        "text": ("text",),
    },
    "openai-responses": {
        "user": ("content",),
        "assistant": ("content",),
        "function": ("name", "parameters", "strict"),
        "function_call": ("call_id", "name", "arguments"),
        "function_call_output": ("call_id", "output"),
        "input_text": ("text",),
        "reasoning": ("id", "summary"),
    },
    "anthropic": {
        "user": ("content",),
        "assistant": ("content",),
        "text": ("text",),
        "thinking": ("thinking", "signature"),
        "redacted_thinking": ("data",),
        "tool_use": ("id", "name", "input"),
        "tool_result": ("tool_use_id", "content"),
    },
    "google": {"user": ("parts",), "model": ("parts",)},
}
"""The fields that objects of a type, or messages of a role, require."""
NAMED: Mapping[str, tuple[str, ...]] = {
    "functionCall": ("name", "args"),
    "functionResponse": ("name", "response"),
    "functionDeclarations": ("name", "description"),
    "input_schema": ("type", "properties"),
    "parameters": ("type", "properties"),
}
"""The fields that objects under a name require."""
NO_PARAMETERS: Sequence[dict[str, JsonValue]] = ({}, {"type": "object"}, {"type": "object", "properties": None})


def _objects(value: object, name: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield name, value
        for key, inner in value.items():
            yield from _objects(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner, name)


def _missing(name: str, body: Mapping[str, Any]) -> list[str]:
    by_type = REQUIRED["chat" if name in ("openai-chat", "openrouter") else name]
    missing = []
    for key, found in _objects(body):
        kinds = (found.get("type"), found.get("role"))
        required = [*NAMED.get(key, ()), *(field for kind in kinds for field in by_type.get(str(kind), ()))]
        missing += [f"{key} {kinds}: {field}" for field in required if field not in found]
        if key == "function":
            wanted = ("name", "parameters") if "parameters" in found else ("name", "arguments")
            missing += [f"function: {field}" for field in wanted if not found.get(field)]
    return missing


async def _sent(provider: Provider, request: ModelRequest) -> Mapping[str, Any]:
    async with (
        provider.server([ServerResponse(text="ok")]) as server,
        aclosing(provider.model(base_url=server.url)) as model,
    ):
        await model.respond(request)
        return server.requests[0].body


def _empty_request(provider: Provider) -> ModelRequest:
    thoughts = (
        ThinkingPart(text="", provider=provider.name, data={"type": "reasoning", "id": "r", "encrypted_content": "x"}),
        ThinkingPart(text="", provider=provider.name, data={"redacted": None}),
        ThinkingPart(text="", provider=provider.name, signature=""),
    )
    calls = (ToolCall(id="", name="clock"), ToolCall(id="2", name="", malformed="{"))
    results = tuple(ToolResult(call_id=call.id, name=call.name, content="") for call in calls)
    error = ToolResult(call_id="3", name="clock", content="", is_error=True)
    return replace(
        provider.request,
        messages=(
            user_message(""),
            Message(role="assistant", parts=(*thoughts, TextPart(text=""), *calls), model=provider.model_name),
            Message(role="tool", parts=(*results, error)),
            user_message(()),
            user_message((TextPart(text=""), TextPart(text=" "))),
        ),
        tools=tuple(
            ToolSpec(name=f"t{index}", description="", parameters=parameters)
            for index, parameters in enumerate(NO_PARAMETERS)
        ),
    )


@every_provider
@pytest.mark.parametrize("omit", [(), ("id", "include", "reasoning", "stream_options")], ids=["all", "some left out"])
async def test_required_fields_are_sent_although_they_are_empty(name: str, omit: tuple[str, ...]) -> None:
    provider = PROVIDERS[name]
    body = await _sent(provider, replace(_empty_request(provider), settings=ModelSettings(omit=omit)))
    assert _missing(name, body) == []


@every_provider
@pytest.mark.parametrize("text", ["", " \n"])
async def test_a_message_without_text_is_never_sent_empty(name: str, text: str) -> None:
    provider = PROVIDERS[name]
    body = await _sent(provider, replace(provider.request, messages=(user_message(text),)))
    messages = body.get("messages") or body.get("contents") or body.get("input")
    assert messages is not None
    (message,) = messages
    assert message["role"] == "user"
    assert "(no text)" in str(message)


@every_provider
async def test_blank_text_beside_other_text_is_left_out(name: str) -> None:
    provider = PROVIDERS[name]
    parts = (TextPart(text=""), TextPart(text="Hi"), TextPart(text="\n"))
    plain = await _sent(provider, replace(provider.request, messages=(user_message("Hi"),)))
    assert await _sent(provider, replace(provider.request, messages=(user_message(parts),))) == plain
