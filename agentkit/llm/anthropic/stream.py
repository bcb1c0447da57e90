"""Build a response from the events of Anthropic's Messages API."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import Field, JsonValue, model_validator

from agentkit.errors import ContentRefused
from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.anthropic.request import uses_output_tool
from agentkit.llm.shared.failures import ProviderStreamError
from agentkit.llm.shared.response_builder import ResponseBuilder, has_content
from agentkit.messages import ContentPart, TextPart, ThinkingPart, ToolCall, Usage
from agentkit.records import Record

__all__ = ["AnthropicEvent", "AnthropicResponseBuilder"]

_STOP_REASONS: Mapping[str, StopReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "refusal",
}


class _AnthropicRecord(Record):
    """A value that the API sends; fields without a value are missing or null."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, received: object) -> object:
        if isinstance(received, dict):
            return {key: value for key, value in received.items() if value is not None}
        return received


class _Block(_AnthropicRecord):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str | None = None
    id: str = ""
    name: str = ""
    input: dict[str, JsonValue] = Field(default_factory=dict)


class _StopDetails(_AnthropicRecord):
    explanation: str | None = None


class _Delta(_AnthropicRecord):
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _OutputTokensDetails(_AnthropicRecord):
    thinking_tokens: int | None = None


class _AnthropicUsage(_AnthropicRecord):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputTokensDetails | None = None

    def merged_over(self, earlier: _AnthropicUsage | None) -> _AnthropicUsage:
        """Return these counts, and those of ``earlier`` that are missing here: only changed counts are sent again."""
        if earlier is None:
            return self
        return earlier.model_copy(update={key: value for key, value in self if value is not None})

    def usage(self) -> Usage:
        """Return the usage in our terms: input tokens include cached ones."""
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


class _Message(_AnthropicRecord):
    content: tuple[_Block, ...] = ()
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: _AnthropicUsage | None = None


class AnthropicEvent(_AnthropicRecord):
    """One event of a stream, or (``type`` is ``message``) the response of a server that doesn't stream."""

    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _AnthropicUsage | None = None
    error: dict[str, JsonValue] | None = None

    @classmethod
    def from_body(cls, body: object) -> AnthropicEvent:
        """Return the parsed body of a server that doesn't stream as one event.

        Raises:
            ValidationError: it is not a message of this API.
        """
        if isinstance(body, dict) and body.get("error"):
            return cls.model_validate({**body, "type": "error"})
        return cls.model_validate({"type": "message", "message": body})


class _OpenBlock:
    """A content block while its deltas are received."""

    def __init__(self, start: _Block) -> None:
        self.start = start
        self.signature = start.signature
        self._chunks: list[str] = []

    def add(self, delta: _Delta) -> None:
        """Add a delta of any type: it has one of the texts."""
        self.signature += delta.signature
        self._chunks.append(delta.text + delta.thinking + delta.partial_json)

    @property
    def text(self) -> str:
        """The text, thinking or arguments so far."""
        return "".join(self._chunks)


class AnthropicResponseBuilder(ResponseBuilder):
    """One response of the Messages API: a list of content blocks."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        super().__init__(request, emit, output_tool=uses_output_tool(request))
        self._blocks: dict[int, _OpenBlock] = {}
        self._stop_reason: str | None = None
        self._refusal_explanation: str | None = None
        self._usage: _AnthropicUsage | None = None

    def add(self, event: AnthropicEvent) -> None:
        """Add the next event; unknown types are ignored.

        Raises:
            ProviderStreamError: the provider reports an error.
            ModelOutputInvalid: the response is too long.
        """
        if event.error is not None:
            raise ProviderStreamError(event.error)
        if event.message is not None:
            self._add_message(event.message)
        if event.content_block is not None:
            self._start_block(event.index, event.content_block)
        if event.usage is not None:
            self._usage = event.usage.merged_over(self._usage)
        if event.delta is not None:
            self._set_stop(event.delta.stop_reason, event.delta.stop_details)
            if (block := self._blocks.get(event.index)) is not None:
                self._add_delta(block, event.delta)

    def _add_message(self, message: _Message) -> None:
        """Add a message: empty at the start of a stream, complete from a server that doesn't stream."""
        for index, block in enumerate(message.content):
            self._start_block(index, block)
        if message.usage is not None:
            self._usage = message.usage.merged_over(self._usage)
        self._set_stop(message.stop_reason, message.stop_details)

    def _start_block(self, index: int, start: _Block) -> None:
        block = self._blocks[index] = _OpenBlock(start)
        self._add_delta(block, _Delta(text=start.text, thinking=start.thinking))

    def _add_delta(self, block: _OpenBlock, delta: _Delta) -> None:
        block.add(delta)
        self.emit_delta("text", delta.text)
        self.emit_delta("thinking", delta.thinking)
        self.emit_delta(None if self.is_output_tool(block.start.name) else "tool_arguments", delta.partial_json)

    def _set_stop(self, reason: str | None, details: _StopDetails | None) -> None:
        self._stop_reason = reason or self._stop_reason
        if details is not None:
            self._refusal_explanation = details.explanation or self._refusal_explanation

    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: no stop reason was received: the stream ended too early.
            ContentRefused: the model refused, and wrote nothing.
        """
        if self._stop_reason is None:
            raise self.incomplete_error()
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        parts = [part for block in blocks if (part := self._part(block)) is not None]
        if self._stop_reason == "refusal" and self._refusal_explanation and not has_content(parts):
            raise ContentRefused(f"{self._model} refused to respond: {self._refusal_explanation}")
        has_calls = any(isinstance(part, ToolCall) for part in parts)
        stop = _STOP_REASONS.get(self._stop_reason) or ("tool_calls" if has_calls else "end")
        return self.assemble(parts, stop, self._usage.usage() if self._usage is not None else None)

    def _part(self, block: _OpenBlock) -> ContentPart | None:
        start = block.start
        match start.type:
            case "text":
                return TextPart(text=block.text) if block.text else None
            case "thinking":
                return ThinkingPart(text=block.text, signature=block.signature or None, provider=self.provider)
            case "redacted_thinking":
                return ThinkingPart(text="", provider=self.provider, data={"redacted": start.data})
            case "tool_use":
                # A block without deltas, as of a server that doesn't stream, has the arguments in its start.
                return self.tool_call_part(start.id, start.name, block.text or json.dumps(start.input))
            case _:
                return None
