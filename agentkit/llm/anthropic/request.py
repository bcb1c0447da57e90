"""Convert requests to Anthropic's Messages format."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.output_schema import claude_schema
from agentkit.llm.anthropic.profile import TEMPERATURE_API_VERSION, ClaudeProfile, ThinkingConfig, claude_profile
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.llm.shared.inline_images import inline_image
from agentkit.llm.shared.output_tool import OUTPUT_TOOL, output_tool
from agentkit.messages import ContentPart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["anthropic_body", "anthropic_call_id", "anthropic_headers", "uses_output_tool"]

_Block = dict[str, JsonValue]
_VALID_CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
_CACHE_CONTROL: JsonValue = {"type": "ephemeral"}


def anthropic_body(request: ModelRequest) -> dict[str, JsonValue]:
    """Return the request body without the model's name.

    It has at most three cache breakpoints: after the instructions and tools, and at the end of the last two user
    messages, so that the next step finds the prompt of this one in the cache.
    """
    profile = claude_profile(request)
    thinking = _thinking(request, profile)
    body: dict[str, JsonValue] = {
        "max_tokens": profile.response_max_tokens(request.settings, thinking),
        **thinking.body,
    }
    if request.settings.temperature is not None and _accepts_temperature(profile, thinking):
        body["temperature"] = min(request.settings.temperature, 1.0)
    if (schema := _schema(request, profile)) is not None:
        config = body.get("output_config")
        output_format: JsonValue = {"type": "json_schema", "schema": schema}
        body["output_config"] = {**(config if isinstance(config, dict) else {}), "format": output_format}
    tools = [_tool(tool) for tool in request.tools]
    if request.output_schema is not None and schema is None:
        tools.append(_tool(output_tool(request.output_schema)))
        if profile.accepts_budget and not thinking.has_budget:  # otherwise a forced tool call is rejected
            body["tool_choice"] = {"type": "any"} if request.tools else {"type": "tool", "name": OUTPUT_TOOL}
    if request.system.strip():
        body["system"] = [{"type": "text", "text": request.system, "cache_control": _CACHE_CONTROL}]
    elif tools:
        tools[-1]["cache_control"] = _CACHE_CONTROL
    if tools:
        body["tools"] = [*tools]
    body["messages"] = [*_messages(request.messages, request.model)]
    return body


def anthropic_headers(request: ModelRequest) -> dict[str, str]:
    """Return the headers of the request, with an older API version if it sends a temperature."""
    profile = claude_profile(request)
    has_temperature = request.settings.temperature is not None
    version = {}
    if has_temperature and _accepts_temperature(profile, _thinking(request, profile)):
        version = {"anthropic-version": TEMPERATURE_API_VERSION}
    return {**version, **request.settings.extra_headers}


def uses_output_tool(request: ModelRequest) -> bool:
    """Return whether the output comes as a tool call, as the model's text can't be constrained to the schema."""
    return request.output_schema is not None and _schema(request, claude_profile(request)) is None


def anthropic_call_id(call_id: str) -> str:
    """Return a tool call's id if Anthropic accepts its characters, otherwise one with its hash."""
    if _VALID_CALL_ID.fullmatch(call_id):
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"


def _schema(request: ModelRequest, profile: ClaudeProfile) -> dict[str, JsonValue] | None:
    """Return the output schema to constrain the text to, if the model can do that."""
    if request.output_schema is None or not profile.accepts_schema:
        return None
    return claude_schema(request.output_schema)


def _accepts_temperature(profile: ClaudeProfile, thinking: ThinkingConfig) -> bool:
    return profile.accepts_budget and not thinking.has_budget


def _thinking(request: ModelRequest, profile: ClaudeProfile) -> ThinkingConfig:
    """Return how to think.

    With a budget, Anthropic rejects tool results whose call has no thinking before it: none is used then.
    """
    thinking = profile.thinking(request.settings)
    if thinking.has_budget and _continues_without_thinking(request.messages, request.model):
        return ThinkingConfig({})
    return thinking


def _continues_without_thinking(messages: Sequence[Message], model: str) -> bool:
    """Return whether the last response calls tools and has no thinking of this model."""
    if not messages or messages[-1].role != "tool":
        return False
    response = next((message for message in reversed(messages) if message.role == "assistant"), None)
    if response is None or not response.tool_calls:
        return False
    first_block = next(_blocks(response, model), {})
    return first_block.get("type") not in ("thinking", "redacted_thinking")


def _tool(tool: ToolSpec) -> _Block:
    schema: dict[str, JsonValue] = {**tool.parameters, "type": "object"}
    return {"name": provider_tool_name(tool.name), "description": tool.description, "input_schema": schema}


def _messages(messages: Sequence[Message], model: str) -> list[dict[str, JsonValue]]:
    """Return the messages, with consecutive ones of the same role merged: tool results have the role ``user``."""
    merged: list[tuple[str, list[_Block]]] = []
    for message in messages:
        blocks = list(_blocks(message, model))
        role = "assistant" if message.role == "assistant" else "user"
        if merged and merged[-1][0] == role:
            merged[-1][1].extend(blocks)
        elif blocks:
            merged.append((role, blocks))
    for blocks in [blocks for role, blocks in merged if role == "user"][-2:]:
        blocks[-1] = {**blocks[-1], "cache_control": _CACHE_CONTROL}
    return [{"role": role, "content": [*blocks]} for role, blocks in merged]


def _blocks(message: Message, model: str) -> Iterator[_Block]:
    is_own = message.model in (None, model)  # newer models reject the thinking of other models
    for part in message.parts:
        if isinstance(part, ThinkingPart):
            if is_own and part.provider == model.partition(":")[0]:
                yield from _thinking_blocks(part)
        elif (block := _block(part)) is not None:
            yield block


def _thinking_blocks(part: ThinkingPart) -> Iterator[_Block]:
    if isinstance(part.data, dict) and "redacted" in part.data:
        yield {"type": "redacted_thinking", "data": part.data["redacted"]}
    elif part.signature is not None:
        yield {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _block(part: ContentPart) -> _Block | None:
    """Return a part as a block; None for blank text, which Anthropic rejects."""
    match part:
        case TextPart():
            return {"type": "text", "text": part.text} if part.text.strip() else None
        case ImagePart():
            return {"type": "image", "source": _image_source(part)}
        case ToolCall():
            return {
                "type": "tool_use",
                "id": anthropic_call_id(part.id),
                "name": provider_tool_name(part.name),
                "input": {**part.arguments},
            }
        case ToolResult():
            return _result(part)
        case _:
            return None


def _image_source(image: ImagePart) -> JsonValue:
    inline = inline_image(image)
    if inline is None:
        return {"type": "url", "url": image.url}
    media_type, data = inline
    return {"type": "base64", "media_type": media_type, "data": data}


def _result(result: ToolResult) -> _Block:
    block: _Block = {"type": "tool_result", "tool_use_id": anthropic_call_id(result.call_id)}
    if result.is_error:
        # Anthropic rejects an error without content.
        return {**block, "content": result.content or "The tool failed without a message.", "is_error": True}
    return {**block, "content": result.content}
