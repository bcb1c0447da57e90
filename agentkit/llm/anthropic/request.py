"""Convert requests to Anthropic's Messages format."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from pydantic import JsonValue

from agentkit.errors import ModelRequestRejected
from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.output_schema import claude_schema
from agentkit.llm.anthropic.profile import TEMPERATURE_API_VERSION, ClaudeProfile, ThinkingConfig, claude_profile
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.llm.shared.inline_images import inline_image
from agentkit.llm.shared.output_tool import OUTPUT_TOOL, output_tool
from agentkit.llm.shared.refused_fields import any_mention
from agentkit.llm.shared.tool_parameters import object_parameters
from agentkit.llm.shared.user_content import user_content
from agentkit.messages import ContentPart, FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["OPTIONAL_FIELDS", "anthropic_body", "anthropic_call_id", "anthropic_headers", "uses_output_tool"]

_CACHE_FIELD = "cache_control"
_OUTPUT_FIELD = "output_config"
OPTIONAL_FIELDS: Mapping[str, re.Pattern[str]] = {
    _CACHE_FIELD: any_mention(_CACHE_FIELD),
    _OUTPUT_FIELD: re.compile(rf"{any_mention(_OUTPUT_FIELD).pattern}|{any_mention('output_format').pattern}"),
}
"""The fields that a request can do without, each with the pattern of its name in error messages."""

_Block = dict[str, JsonValue]
_PDF = "application/pdf"
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
        body["system"] = [{"type": "text", "text": request.system, _CACHE_FIELD: _CACHE_CONTROL}]
    elif tools:
        tools[-1][_CACHE_FIELD] = _CACHE_CONTROL
    if tools:
        body["tools"] = [*tools]
    body["messages"] = [*_messages(request.messages, request.model)]
    return _without_fields(body, request.settings.omit or ())


def _without_fields(body: dict[str, JsonValue], omitted: Sequence[str]) -> dict[str, JsonValue]:
    """Return the body without some fields; cache breakpoints are left out wherever they are."""
    if _CACHE_FIELD in omitted:
        for key in ("system", "tools"):
            body[key] = _without_breakpoints(body.get(key))
        messages = body["messages"]
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict):
                message["content"] = _without_breakpoints(message["content"])
    return {key: value for key, value in body.items() if key not in omitted and value is not None}


def _without_breakpoints(blocks: JsonValue) -> JsonValue:
    if not isinstance(blocks, list):
        return blocks
    return [
        {key: value for key, value in block.items() if key != _CACHE_FIELD} if isinstance(block, dict) else block
        for block in blocks
    ]


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
    is_omitted = _OUTPUT_FIELD in (request.settings.omit or ())
    if request.output_schema is None or not profile.accepts_schema or is_omitted:
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
    schema = object_parameters(tool.parameters)
    return {"name": provider_tool_name(tool.name), "description": tool.description, "input_schema": schema}


def _messages(messages: Sequence[Message], model: str) -> list[dict[str, JsonValue]]:
    """Return the messages, with consecutive ones of the same role merged: tool results have the role ``user``."""
    merged: list[tuple[str, list[_Block]]] = []
    own_ids = _own_call_ids(messages, model)
    for message in messages:
        blocks = list(_blocks(message, model, own_ids))
        role = "assistant" if message.role == "assistant" else "user"
        if merged and merged[-1][0] == role:
            merged[-1][1].extend(blocks)
        elif blocks:
            merged.append((role, blocks))
    for blocks in [blocks for role, blocks in merged if role == "user"][-2:]:
        blocks[-1] = {**blocks[-1], _CACHE_FIELD: _CACHE_CONTROL}
    return [{"role": role, "content": [*blocks]} for role, blocks in merged]


def _is_claude(model: str) -> bool:
    return "claude" in model


def _own_call_ids(messages: Sequence[Message], model: str) -> frozenset[str]:
    """Return the ids that another model than Claude gave: its server may have put signatures into them."""
    if _is_claude(model):
        return frozenset()
    return frozenset(call.id for message in messages if message.model == model for call in message.tool_calls)


def _blocks(message: Message, model: str, own_ids: Collection[str] = ()) -> Iterator[_Block]:
    """Yield a message as blocks, without thinking at its end: the API rejects it before nothing."""
    is_own = message.model in (None, model)  # newer models reject the thinking of other models
    thinking: list[_Block] = []
    for part in user_content(message) if message.role == "user" else message.parts:
        if isinstance(part, ThinkingPart):
            if is_own and part.provider == model.partition(":")[0]:
                thinking += _thinking_blocks(part, model)
        elif (block := _block(part, own_ids)) is not None:
            yield from thinking
            thinking = []
            yield block


def _thinking_blocks(part: ThinkingPart, model: str) -> Iterator[_Block]:
    if isinstance(part.data, dict) and "redacted" in part.data:
        if part.data["redacted"] is not None:
            yield {"type": "redacted_thinking", "data": part.data["redacted"]}
    elif part.signature is not None or (part.data is None and not _is_claude(model)):
        # Claude rejects thinking without a signature; other servers give none, and may want it back nevertheless.
        yield {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}


def _block(part: ContentPart, own_ids: Collection[str]) -> _Block | None:
    """Return a part as a block; None for blank text, which Anthropic rejects."""
    match part:
        case TextPart():
            return {"type": "text", "text": part.text} if part.text.strip() else None
        case ImagePart():
            return {"type": "image", "source": _image_source(part)}
        case FilePart():
            return _document(part)
        case ToolCall():
            return {
                "type": "tool_use",
                "id": part.id if part.id in own_ids else anthropic_call_id(part.id),
                "name": provider_tool_name(part.name),
                "input": {**part.arguments},
            }
        case ToolResult():
            return _result(part, own_ids)
        case _:
            return None


def _image_source(image: ImagePart) -> JsonValue:
    inline = inline_image(image)
    if inline is None:
        return {"type": "url", "url": image.url}
    media_type, data = inline
    return {"type": "base64", "media_type": media_type, "data": data}


def _document(file: FilePart) -> _Block:
    if file.media_type != _PDF:
        raise ModelRequestRejected(
            f"Anthropic's models read text, images and PDFs, and not the file {file.label}. Convert it to one of these"
        )
    data = base64.b64encode(file.data).decode()
    block: _Block = {"type": "document", "source": {"type": "base64", "media_type": _PDF, "data": data}}
    return {**block, "title": file.name} if file.name else block


def _result(result: ToolResult, own_ids: Collection[str]) -> _Block:
    call_id = result.call_id if result.call_id in own_ids else anthropic_call_id(result.call_id)
    block: _Block = {"type": "tool_result", "tool_use_id": call_id}
    if result.is_error:
        # Anthropic rejects an error without content.
        return {**block, "content": result.content or "The tool failed without a message.", "is_error": True}
    images: list[JsonValue] = [{"type": "image", "source": _image_source(image)} for image in result.images]
    if images:
        return {**block, "content": [{"type": "text", "text": result.content}, *images]}
    return {**block, "content": result.content}
