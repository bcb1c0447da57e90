"""Convert a transcript to the messages of Chat Completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import JsonValue

from agentkit.interfaces import ModelRequest
from agentkit.llm.openai.openai_call_ids import CallIds
from agentkit.llm.openai.profile import DEFAULT_FILE_NAME, arguments_json, requires_reasoning, result_text
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.llm.shared.inline_images import data_url
from agentkit.llm.shared.user_content import UserContent, user_content
from agentkit.messages import FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult

__all__ = ["chat_messages"]

_Json = dict[str, JsonValue]

_IMAGE = "image_url"
"""The API's type of an image. As an omitted field it keeps images of tools from models that take text only."""


def chat_messages(request: ModelRequest, provider: str, system: str) -> list[_Json]:
    """Return the instructions and messages; a message with several tool results becomes several messages.

    Responses of a model without text and calls are left out: many servers reject an empty one.
    """
    writer = _AssistantWriter(request, provider)
    messages: list[_Json] = [{"role": "system", "content": system}] if system else []
    for message in request.messages:
        match message.role:
            case "user":
                messages.append({"role": "user", "content": _content(user_content(message))})
            case "assistant":
                messages.extend(writer.write(message))
            case "tool":
                results = [part for part in message.parts if isinstance(part, ToolResult)]
                messages.extend(writer.write_result(result) for result in results)
                if _IMAGE not in (request.settings.omit or ()):
                    messages.extend(_images(results))
    return messages


def _content(parts: Sequence[UserContent]) -> JsonValue:
    """Return plain text if there is nothing else: some servers accept no list."""
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    content: list[JsonValue] = []
    for part in parts:
        match part:
            case TextPart():
                content.append({"type": "text", "text": part.text})
            case ImagePart():
                content.append({"type": _IMAGE, _IMAGE: {"url": data_url(part)}})
            case FilePart():
                file: JsonValue = {"filename": part.name or DEFAULT_FILE_NAME, "file_data": data_url(part)}
                content.append({"type": "file", "file": file})
    return content


def _images(results: Sequence[ToolResult]) -> Iterator[_Json]:
    """Yield a message with the images of results: a result itself can only have text."""
    parts: list[UserContent] = []
    for result in results:
        if result.images:
            parts += [TextPart(text=f"Images that {result.name} returned, in the order of its files:"), *result.images]
    if parts:
        yield {"role": "user", "content": _content(parts)}


class _AssistantWriter:
    """Writes the responses of models, and the results of their calls, for one request."""

    def __init__(self, request: ModelRequest, provider: str) -> None:
        self._model = request.model
        self._provider, _, name = request.model.partition(":")
        self._omitted = frozenset(request.settings.omit or ())
        self._requires_reasoning = requires_reasoning(provider, name)
        self._ids = CallIds(request.messages, request.model)

    def write(self, message: Message) -> Iterator[_Json]:
        """Yield the message for a response, if there is anything in it to send."""
        calls = [*self._calls(message)]
        text = message.text if message.text.strip() else ""
        if not calls and not text:
            return
        written: _Json = {"role": "assistant", "content": text or None}
        if calls:
            written["tool_calls"] = [*calls]
        # Reasoning without calls is of no use to a server, and some reject it.
        thoughts = [part for part in message.parts if isinstance(part, ThinkingPart) and self._is_own(message, part)]
        for thought in thoughts:
            self._add_thought(written, thought, has_calls=bool(calls))
        if calls and self._requires_reasoning:
            written.setdefault("reasoning_content", "")
        yield {key: value for key, value in written.items() if key not in self._omitted}

    def write_result(self, result: ToolResult) -> _Json:
        """Return the message for a tool's result."""
        return {"role": "tool", "tool_call_id": self._ids.sent(result.call_id), "content": result_text(result)}

    def _calls(self, message: Message) -> Iterator[_Json]:
        extra_content: JsonValue = None
        for part in message.parts:
            match part:
                case ThinkingPart(data={"extra_content": extra}) if self._is_own(message, part):
                    extra_content = extra
                case ToolCall():
                    call = self._call(part)
                    if extra_content is not None and "extra_content" not in self._omitted:
                        call["extra_content"] = extra_content
                    yield call
                    extra_content = None
                case TextPart():
                    extra_content = None

    def _call(self, call: ToolCall) -> _Json:
        function: JsonValue = {"name": provider_tool_name(call.name), "arguments": arguments_json(call)}
        return {"id": self._ids.sent(call.id), "type": "function", "function": function}

    def _is_own(self, message: Message, part: ThinkingPart) -> bool:
        """Return whether the model wrote a thought itself: others may reject it, as it may be signed."""
        return message.model in (None, self._model) and part.provider == self._provider

    def _add_thought(self, written: dict[str, Any], thought: ThinkingPart, *, has_calls: bool) -> None:
        """Add a thought to a message in the form in which the server sent it."""
        match thought.data:
            case list(details):
                written["reasoning_details"] = [*written.get("reasoning_details", ()), *details]
            case {"extra_content": extra} if not has_calls:
                written["extra_content"] = extra
            case {"field": "content"} if has_calls:
                thinking: JsonValue = {"type": "thinking", "thinking": [{"type": "text", "text": thought.text}]}
                text = written["content"]
                written["content"] = [thinking, *([{"type": "text", "text": text}] if text else [])]
            case {"field": str(field)} if has_calls:
                written[field] = thought.text
            case {"tags": [str(opening), str(closing)]} if has_calls:
                written["content"] = f"{opening}{thought.text}{closing}\n\n{written['content'] or ''}"
