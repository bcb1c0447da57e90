"""OpenAI's Responses API: its request bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from agentkit.interfaces import Emit, ModelRequest
from agentkit.llm.openai.openai_call_ids import CallIds
from agentkit.llm.openai.profile import (
    DEFAULT_FILE_NAME,
    OutputMode,
    accepts_temperature,
    arguments_json,
    json_schema_format,
    may_reason,
    output_mode,
    reasoning_effort,
    result_text,
    system_prompt,
)
from agentkit.llm.openai.responses_items import CALL_ITEM
from agentkit.llm.openai.responses_stream import ResponsesResponseBuilder
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.llm.shared.inline_images import data_url
from agentkit.llm.shared.output_tool import output_tool
from agentkit.llm.shared.refused_fields import any_mention, quoted
from agentkit.llm.shared.tool_parameters import object_parameters
from agentkit.llm.shared.user_content import UserContent, user_content
from agentkit.messages import ContentPart, FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["ResponsesApi", "responses_body"]

_Item = dict[str, JsonValue]

_OPTIONAL_FIELDS: Mapping[str, re.Pattern[str]] = {
    "include": re.compile(rf"{quoted('include').pattern}|{any_mention('reasoning.encrypted_content').pattern}"),
    "phase": quoted("phase"),
    "store": quoted("store"),
    "text": re.compile(rf"{any_mention('text.format').pattern}|{any_mention('response_format').pattern}"),
}


class ResponsesApi:
    """The Responses API. OpenAI stores nothing: each request contains the complete transcript."""

    path = "responses"
    optional_fields = _OPTIONAL_FIELDS

    def body(self, request: ModelRequest) -> Mapping[str, object]:
        """Return a request's body without the model's name."""
        return responses_body(request) | ({} if "store" in (request.settings.omit or ()) else {"store": False})

    def new_builder(self, request: ModelRequest, emit: Emit | None) -> ResponsesResponseBuilder:
        """Return a builder for the response to ``request``."""
        return ResponsesResponseBuilder(request, emit, output_tool=_output_mode(request) == "tool")


def _output_mode(request: ModelRequest) -> OutputMode | None:
    return output_mode(request, format_field="text")


def responses_body(request: ModelRequest) -> dict[str, object]:
    """Return a request's body without the model's name: items, tools, and the settings that the model accepts.

    This API has no seed.
    """
    name = request.model.partition(":")[2]
    settings = request.settings
    effort = reasoning_effort(name, settings.thinking_budget)
    mode = _output_mode(request)
    tools = [*request.tools]
    if mode == "tool" and request.output_schema is not None:
        tools.append(output_tool(request.output_schema))
    schema = json_schema_format(request.output_schema) if mode == "format" else None
    optional: dict[str, object] = {
        "instructions": system_prompt(request, mode) or None,
        "input": [*_ItemWriter(request).items()],
        "tools": _tools(tools) or None,
        "include": ["reasoning.encrypted_content"] if may_reason(name) else None,
        "reasoning": {"effort": effort} if effort is not None else None,
        "temperature": settings.temperature if accepts_temperature(name) else None,
        "max_output_tokens": settings.max_output_tokens,
        "text": {"format": {"type": "json_schema", **schema}} if schema is not None else None,
    }
    omitted = frozenset(settings.omit or ())
    return {key: value for key, value in optional.items() if key not in omitted and value is not None}


def _tools(tools: Iterable[ToolSpec]) -> list[_Item]:
    """Return the tools as functions, not strict: those would have to require all their arguments."""
    return [
        {
            "type": "function",
            "name": provider_tool_name(tool.name),
            "description": tool.description,
            "parameters": object_parameters(tool.parameters),
            "strict": False,
        }
        for tool in tools
    ]


class _ItemWriter:
    """Writes the transcript of one request as items."""

    def __init__(self, request: ModelRequest) -> None:
        self._messages = request.messages
        self._provider = request.model.partition(":")[0]
        self._omitted = frozenset(request.settings.omit or ())
        self._ids = CallIds(request.messages, request.model)

    def items(self) -> Iterator[_Item]:
        """Yield the items of all messages."""
        for message in self._messages:
            match message.role:
                case "user":
                    yield {"role": "user", "content": _content(user_content(message))}
                case "assistant":
                    yield from self._response(message)
                case "tool":
                    yield from (self._result(part) for part in message.parts if isinstance(part, ToolResult))

    def _response(self, message: Message) -> Iterator[_Item]:
        """Yield a response of a model in order, without reasoning at its end: the API rejects it before nothing."""
        contents = [index for index, part in enumerate(message.parts) if _is_content(part)]
        phase: JsonValue = None
        for part in message.parts[: max(contents, default=-1) + 1]:
            match part:
                case ThinkingPart(data=dict() as item) if part.provider == self._provider:
                    if item.get("type") == "reasoning":
                        yield {**item, "summary": item.get("summary") or []}  # required, even if empty
                    phase = item.get("phase")
                case TextPart() if _is_content(part):
                    text: _Item = {"role": "assistant", "content": part.text}
                    yield text if phase is None or "phase" in self._omitted else {**text, "phase": phase}
                case ToolCall():
                    call: _Item = {"call_id": self._ids.sent(part.id), "name": provider_tool_name(part.name)}
                    yield {"type": CALL_ITEM, **call, "arguments": arguments_json(part)}

    def _result(self, result: ToolResult) -> _Item:
        call_id = self._ids.sent(result.call_id)
        text, images = result_text(result), result.images
        output = _content([TextPart(text=text), *images]) if images else text
        return {"type": "function_call_output", "call_id": call_id, "output": output}


def _is_content(part: ContentPart) -> bool:
    return isinstance(part, ToolCall) or (isinstance(part, TextPart) and bool(part.text.strip()))


def _content(parts: Sequence[UserContent]) -> JsonValue:
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    content: list[JsonValue] = []
    for part in parts:
        match part:
            case TextPart():
                content.append({"type": "input_text", "text": part.text})
            case ImagePart():
                content.append({"type": "input_image", "image_url": data_url(part), "detail": "auto"})
            case FilePart():
                file_data, filename = data_url(part), part.name or DEFAULT_FILE_NAME
                content.append({"type": "input_file", "filename": filename, "file_data": file_data})
    return content
