"""What Chat Completions APIs send: one chunk of a stream, or a complete response, in the dialects of many servers."""

from __future__ import annotations

import json
import re
from typing import Annotated

from pydantic import BeforeValidator, JsonValue, model_validator

from agentkit.llm.openai.usage import OpenAIUsage, OptionalUsage
from agentkit.llm.shared.lenient_types import Text, as_list, as_object, as_text
from agentkit.records import Record

__all__ = ["ChatChoice", "ChatChunk", "ChatDelta", "ChatFunction", "ChatToolCall"]

_REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
"""The names that servers have for reasoning text; those that send it under two of them send it twice."""
_REASONING_TYPES = {"thinking", "reasoning", "reasoning_content", "reasoning_text"}
"""Types of reasoning parts, in a message whose content is a list."""
_THOUGHT_TAG = re.compile(r"</?thought>")
"""The tags around text that Gemini marks as a thought in ``extra_content``."""


class ChatFunction(Record):
    """The function of a call."""

    name: Text = ""
    arguments: JsonValue = None
    """JSON text; some servers send the object itself."""

    @property
    def arguments_json(self) -> str:
        """The arguments as text; empty if there are none."""
        if self.arguments is None or isinstance(self.arguments, str):
            return self.arguments or ""
        return json.dumps(self.arguments, ensure_ascii=False)


class ChatToolCall(Record):
    """A tool call, or an increment of one."""

    index: int | None = None
    id: Text = ""
    function: ChatFunction = ChatFunction()
    extra_content: JsonValue = None
    """What the server wants back with the call, such as Gemini's thought signature."""

    @model_validator(mode="before")
    @classmethod
    def _nest_function(cls, received: object) -> object:
        """Put name and arguments into ``function``, where the server sent them beside it."""
        if not isinstance(received, dict) or isinstance(received.get("function"), dict | ChatFunction):
            return received
        # Some servers send null, or name and arguments without the object around them.
        return {**received, "function": {"name": received.get("name"), "arguments": received.get("arguments")}}


class ChatDelta(Record):
    """A part of a response, or all of it."""

    content: JsonValue = None
    refusal: Text = ""
    reasoning_details: Annotated[tuple[dict[str, JsonValue], ...], BeforeValidator(as_list)] = ()
    """OpenRouter's form of the reasoning, which the next request has to contain."""
    tool_calls: Annotated[tuple[ChatToolCall, ...], BeforeValidator(as_list)] = ()
    function_call: Annotated[ChatFunction | None, BeforeValidator(as_object)] = None
    """The only call, in the API's first version."""
    extra_content: JsonValue = None
    """What the server wants back with the text, such as Gemini's thought signature."""
    usage: OptionalUsage = None
    reasoning_field: str = ""
    """The field in which the server sent the reasoning; ``content`` is a list with both."""
    reasoning: str = ""
    text: str = ""

    @model_validator(mode="before")
    @classmethod
    def _with_texts(cls, received: object) -> object:
        """Find reasoning and text."""
        if not isinstance(received, dict):
            return received
        field = next((name for name in _REASONING_FIELDS if as_text(received.get(name))), "")
        reasoning, text = as_text(received.get(field)), ""
        content = received.get("content")
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, dict) and part.get("type") in _REASONING_TYPES:
                field, reasoning = field or "content", reasoning + as_text(part)
            else:
                text += as_text(part)
        if _is_marked_as_thought(received.get("extra_content")):
            reasoning, text = reasoning + _THOUGHT_TAG.sub("", text), ""
            received = {**received, "extra_content": None}
        return {**received, "reasoning_field": field, "reasoning": reasoning, "text": text}

    @property
    def calls(self) -> tuple[ChatToolCall, ...]:
        """The tool calls in it."""
        if self.function_call is None:
            return self.tool_calls
        return (*self.tool_calls, ChatToolCall(index=0, function=self.function_call))


def _is_marked_as_thought(extra_content: object) -> bool:
    google = extra_content.get("google") if isinstance(extra_content, dict) else None
    return isinstance(google, dict) and google.get("thought") is True


class ChatChoice(Record):
    """One alternative of a response; there is only one."""

    delta: ChatDelta | None = None
    message: ChatDelta | None = None
    """The complete response."""
    finish_reason: Text = ""
    native_finish_reason: Text = ""
    """That of the provider behind OpenRouter."""
    usage: OptionalUsage = None
    error: JsonValue = None
    """Why the response ends, from OpenRouter."""


class _GroqFields(Record):
    usage: OptionalUsage = None


class ChatChunk(Record):
    """One event of a stream, or a complete response, which has ``message`` instead of ``delta``."""

    choices: tuple[ChatChoice, ...] | None = None
    usage: OptionalUsage = None
    provider: Text = ""
    """The provider behind OpenRouter."""
    x_groq: Annotated[_GroqFields | None, BeforeValidator(as_object)] = None

    @property
    def choice(self) -> ChatChoice | None:
        """The first choice: no other is requested."""
        return self.choices[0] if self.choices else None

    @property
    def usages(self) -> list[OpenAIUsage]:
        """The counts, wherever the server put them."""
        choice = self.choice or ChatChoice()
        message = choice.message or choice.delta or ChatDelta()
        groq = self.x_groq.usage if self.x_groq is not None else None
        return [usage for usage in (message.usage, choice.usage, groq, self.usage) if usage is not None]
