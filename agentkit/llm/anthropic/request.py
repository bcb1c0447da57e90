"""Anthropic's Messages format: write our requests in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.anthropic.output_schema import held_schema
from agentkit.llm.anthropic.profile import OLD_API_VERSION, Rules, Thinking, rules_for
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.llm.shared.inline_images import inline_image
from agentkit.llm.shared.output_tool import OUTPUT_TOOL, output_tool
from agentkit.messages import ContentPart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["uses_output_tool", "wire_headers", "wire_id", "wire_request"]

_Block = dict[str, JsonValue]
_ALLOWED_ID = re.compile(r"[a-zA-Z0-9_-]+")
_CACHED: JsonValue = {"type": "ephemeral"}


def wire_request(request: ModelRequest) -> dict[str, JsonValue]:
    """Return the body of the request, without the model's name.

    The prompt is marked for the provider's cache in three places at most: after the instructions and tools, and
    after the newest message and the one before, so that the next step finds this one's prompt again.
    """
    rules = rules_for(request)
    thinking = _thinking(request, rules)
    written: dict[str, JsonValue] = {"max_tokens": rules.limit(request.settings, thinking), **thinking.wire}
    if request.settings.temperature is not None and _takes_temperature(rules, thinking):
        written["temperature"] = min(request.settings.temperature, 1.0)
    if request.output_schema is not None and (schema := _held(request, rules)) is not None:
        config = written.get("output_config")
        format_: JsonValue = {"type": "json_schema", "schema": schema}
        written["output_config"] = {**(config if isinstance(config, dict) else {}), "format": format_}
    tools = [_tool(tool) for tool in request.tools]
    if request.output_schema is not None and uses_output_tool(request):
        tools.append(_tool(output_tool(request.output_schema)))
        if rules.budgeted and not thinking.by_budget:  # the others refuse to be made to call a tool
            written["tool_choice"] = {"type": "any"} if request.tools else {"type": "tool", "name": OUTPUT_TOOL}
    if request.system.strip():
        written["system"] = [{"type": "text", "text": request.system, "cache_control": _CACHED}]
    elif tools:
        tools[-1]["cache_control"] = _CACHED
    if tools:
        written["tools"] = [*tools]
    written["messages"] = [*_turns(request.messages, request.model)]
    return written


def wire_headers(request: ModelRequest) -> dict[str, str]:
    """Return the headers that go with the body."""
    rules = rules_for(request)
    warm = request.settings.temperature is not None and _takes_temperature(rules, _thinking(request, rules))
    return {**({"anthropic-version": OLD_API_VERSION} if warm else {}), **request.settings.extra_headers}


def uses_output_tool(request: ModelRequest) -> bool:
    """Return whether the answer comes as a tool call, as the model can't hold its text to the schema."""
    return request.output_schema is not None and _held(request, rules_for(request)) is None


def wire_id(call_id: str) -> str:
    """Return a tool call's id in the characters that Anthropic allows; the same id always gives the same."""
    if _ALLOWED_ID.fullmatch(call_id):
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"


def _held(request: ModelRequest, rules: Rules) -> dict[str, JsonValue] | None:
    return held_schema(request.output_schema) if request.output_schema is not None and rules.takes_schema else None


def _takes_temperature(rules: Rules, thinking: Thinking) -> bool:
    return rules.budgeted and not thinking.by_budget


def _thinking(request: ModelRequest, rules: Rules) -> Thinking:
    """Return how to think, unless another model is in the middle of a turn: its thoughts would be missed."""
    thinking = rules.thinking(request.settings)
    if thinking.by_budget and _is_unthought(request.messages, request.model):
        return Thinking({})
    return thinking


def _is_unthought(messages: Sequence[Message], model: str) -> bool:
    """Return whether the newest answer calls tools, without a thought of this model's before it."""
    if not messages or messages[-1].role != "tool":
        return False
    answer = next((message for message in reversed(messages) if message.role == "assistant"), None)
    if answer is None or not answer.tool_calls:
        return False
    first = next(_blocks(answer, model), {})
    return first.get("type") not in ("thinking", "redacted_thinking")


def _tool(tool: ToolSpec) -> _Block:
    schema: dict[str, JsonValue] = {**tool.parameters, "type": "object"}
    return {"name": provider_tool_name(tool.name), "description": tool.description, "input_schema": schema}


def _turns(messages: Sequence[Message], model: str) -> list[dict[str, JsonValue]]:
    """Return the messages by turns: what a person and the tools say in a row is one."""
    turns: list[tuple[str, list[_Block]]] = []
    for message in messages:
        blocks = list(_blocks(message, model))
        role = "assistant" if message.role == "assistant" else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    for blocks in [blocks for role, blocks in turns if role == "user"][-2:]:
        blocks[-1] = {**blocks[-1], "cache_control": _CACHED}
    return [{"role": role, "content": [*blocks]} for role, blocks in turns]


def _blocks(message: Message, model: str) -> Iterator[_Block]:
    ours = message.model in (None, model)  # newer models refuse thoughts that another one thought
    for part in message.parts:
        if isinstance(part, ThinkingPart):
            if ours and part.provider == model.partition(":")[0]:
                yield from _thought(part)
        elif (block := _block(part)) is not None:
            yield block


def _thought(part: ThinkingPart) -> Iterator[_Block]:
    if isinstance(part.data, dict) and "redacted" in part.data:
        yield {"type": "redacted_thinking", "data": part.data["redacted"]}
    elif part.signature is not None:
        yield {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _block(part: ContentPart) -> _Block | None:
    """Return a part as a block; None for text of nothing, which is refused."""
    match part:
        case TextPart():
            return {"type": "text", "text": part.text} if part.text.strip() else None
        case ImagePart():
            return {"type": "image", "source": _image(part)}
        case ToolCall():
            arguments: JsonValue = {**part.arguments}
            return {
                "type": "tool_use",
                "id": wire_id(part.id),
                "name": provider_tool_name(part.name),
                "input": arguments,
            }
        case ToolResult():
            return _result(part)
        case _:
            return None


def _image(image: ImagePart) -> JsonValue:
    inline = inline_image(image)
    if inline is None:
        return {"type": "url", "url": image.url}
    media_type, data = inline
    return {"type": "base64", "media_type": media_type, "data": data}


def _result(result: ToolResult) -> _Block:
    written: _Block = {"type": "tool_result", "tool_use_id": wire_id(result.call_id)}
    if result.is_error:
        # An error must say something.
        return {**written, "content": result.content or "The tool failed and said nothing.", "is_error": True}
    return {**written, "content": result.content}
