"""Put an answer together from the events that Anthropic's Messages API streams."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import Field, JsonValue, model_validator

from agentkit.errors import ContentRefused
from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.anthropic.request import uses_output_tool
from agentkit.llm.shared.response_builder import ResponseBuilder, has_content
from agentkit.messages import ContentPart, TextPart, ThinkingPart, ToolCall, Usage
from agentkit.records import Record

__all__ = ["AnthropicEvent", "AnthropicResponseBuilder"]

_STOPS: Mapping[str, StopReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "refusal",
}


class _Wire(Record):
    """What the provider sends; what it says nothing of may be null, too."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, received: object) -> object:
        if isinstance(received, dict):
            return {key: value for key, value in received.items() if value is not None}
        return received


class _WireBlock(_Wire):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str | None = None
    data: str | None = None
    id: str = ""
    name: str = ""
    input: dict[str, JsonValue] = Field(default_factory=dict)


class _WireStopDetails(_Wire):
    explanation: str | None = None


class _WireDelta(_Wire):
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_details: _WireStopDetails | None = None


class _WireDetails(_Wire):
    thinking_tokens: int | None = None


class _WireUsage(_Wire):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _WireDetails | None = None

    def over(self, earlier: _WireUsage | None) -> _WireUsage:
        """Return this count, filled up from an earlier one: counts grow, and later ones leave out what stands."""
        return (
            self
            if earlier is None
            else earlier.model_copy(update={key: value for key, value in self if value is not None})
        )

    def usage(self) -> Usage:
        """Return it as ours, which counts what was cached as part of the prompt."""
        cached = self.cache_read_input_tokens or 0
        details = self.output_tokens_details
        return Usage(
            input_tokens=(self.input_tokens or 0) + (self.cache_creation_input_tokens or 0) + cached,
            output_tokens=self.output_tokens or 0,
            reasoning_tokens=(details.thinking_tokens or 0) if details is not None else 0,
            cached_tokens=cached,
            cache_write_tokens=self.cache_creation_input_tokens or 0,
            model_calls=1,
        )


class _WireMessage(_Wire):
    content: tuple[_WireBlock, ...] = ()
    stop_reason: str | None = None
    stop_details: _WireStopDetails | None = None
    usage: _WireUsage | None = None


class AnthropicEvent(_Wire):
    """One event of a stream, or (``type`` is ``message``) a whole answer of a server that doesn't stream."""

    type: str
    index: int = 0
    message: _WireMessage | None = None
    content_block: _WireBlock | None = None
    delta: _WireDelta | None = None
    usage: _WireUsage | None = None
    error: dict[str, JsonValue] | None = None


class _OpenBlock:
    """A block whose pieces are still coming."""

    def __init__(self, begun: _WireBlock) -> None:
        self.type = begun.type
        self.begun = begun
        self.said: list[str] = []
        self.signature = begun.signature or ""

    @property
    def text(self) -> str:
        return "".join(self.said)


class AnthropicResponseBuilder(ResponseBuilder):
    """One response of the Messages API."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        super().__init__(request, emit, output_tool=uses_output_tool(request))
        self._blocks: dict[int, _OpenBlock] = {}
        self._stop: str | None = None
        self._explanation: str | None = None
        self._usage: _WireUsage | None = None

    def add(self, event: AnthropicEvent) -> None:
        """Take the next event; those of kinds unheard of are passed over.

        Raises:
            ModelOutputInvalid: the answer is too long.
        """
        if event.message is not None:
            self.add_whole(event.message)
        if event.content_block is not None:
            self._begin(event.index, event.content_block)
        if event.usage is not None:
            self._usage = event.usage.over(self._usage)
        if event.delta is not None:
            self._add_delta(event.index, event.delta)

    def add_whole(self, message: _WireMessage) -> None:
        """Take a whole message: where the server streams, its blank beginning."""
        for index, block in enumerate(message.content):
            self._begin(index, block)
        if message.usage is not None:
            self._usage = message.usage.over(self._usage)
        self._end(message.stop_reason, message.stop_details)

    def _begin(self, index: int, begun: _WireBlock) -> None:
        block = self._blocks[index] = _OpenBlock(begun)
        self._say(block, _WireDelta(text=begun.text, thinking=begun.thinking))

    def _add_delta(self, index: int, delta: _WireDelta) -> None:
        self._end(delta.stop_reason, delta.stop_details)
        block = self._blocks.get(index)
        if block is not None:
            block.signature += delta.signature
            self._say(block, delta)

    def _say(self, block: _OpenBlock, delta: _WireDelta) -> None:
        block.said.append(delta.text + delta.thinking + delta.partial_json)
        self.emit_delta("text", delta.text)
        self.emit_delta("thinking", delta.thinking)
        self.emit_delta(None if self.is_output_tool(block.begun.name) else "tool_arguments", delta.partial_json)

    def _end(self, reason: str | None, details: _WireStopDetails | None) -> None:
        self._stop = reason or self._stop
        if details is not None:
            self._explanation = details.explanation or self._explanation

    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: no stop reason came: the stream was cut short, or was none.
            ContentRefused: the model refused, and said nothing.
        """
        if self._stop is None:
            raise self.incomplete_error()
        parts = [part for index in sorted(self._blocks) if (part := self._part(self._blocks[index])) is not None]
        if self._stop == "refusal" and self._explanation and not has_content(parts):
            raise ContentRefused(f"{self._model} refused to answer: {self._explanation}")
        calls = any(isinstance(part, ToolCall) for part in parts)
        stop: StopReason = _STOPS.get(self._stop) or ("tool_calls" if calls else "end")
        return self.assemble(parts, stop, self._usage.usage() if self._usage is not None else None)

    def _part(self, block: _OpenBlock) -> ContentPart | None:
        match block.type:
            case "text":
                return TextPart(text=block.text) if block.text else None
            case "thinking":
                return ThinkingPart(text=block.text, signature=block.signature or None, provider=self.provider)
            case "redacted_thinking":
                return ThinkingPart(text="", provider=self.provider, data={"redacted": block.begun.data})
            case "tool_use":
                return self._called(block)
            case _:
                return None

    def _called(self, block: _OpenBlock) -> ContentPart:
        # Without pieces, the arguments stand in the block's beginning: that is how whole messages come.
        return self.tool_call_part(block.begun.id, block.begun.name, block.text or json.dumps(block.begun.input))
