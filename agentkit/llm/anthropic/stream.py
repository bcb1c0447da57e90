"""Build a response from the events of Anthropic's Messages API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, JsonValue, model_validator

from agentkit.errors import ContentRefused
from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.anthropic.request import uses_output_tool
from agentkit.llm.shared.failures import ProviderStreamError
from agentkit.llm.shared.lenient_types import Count, Text
from agentkit.llm.shared.streams.received_text import ReceivedText
from agentkit.llm.shared.streams.response_builder import ResponseBuilder, has_content
from agentkit.llm.shared.tool_arguments import parse_arguments
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
    text: Text = ""
    thinking: Text = ""
    signature: str = ""
    data: str | None = None
    id: Text = ""
    name: Text = ""
    input: JsonValue = None


def _as_blocks(value: object) -> object:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


class _StopDetails(_AnthropicRecord):
    explanation: str | None = None


class _Delta(_AnthropicRecord):
    text: Text = ""
    thinking: Text = ""
    signature: str = ""
    partial_json: JsonValue = ""
    stop_reason: Text | None = None
    stop_details: _StopDetails | None = None


class _OutputTokensDetails(_AnthropicRecord):
    thinking_tokens: Count = None


class _AnthropicUsage(_AnthropicRecord):
    input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_read_input_tokens: Count = None
    output_tokens: Count = None
    output_tokens_details: _OutputTokensDetails | None = None

    def merged_over(self, earlier: _AnthropicUsage | None) -> _AnthropicUsage:
        """Return these counts, and those of ``earlier`` that are missing or zero here: only changes are sent again."""
        if earlier is None:
            return self
        return earlier.model_copy(update={key: value for key, value in self if value})

    def usage(self) -> Usage:
        """Return the usage in our terms: input tokens include cached ones."""
        cached, written = int(self.cache_read_input_tokens or 0), int(self.cache_creation_input_tokens or 0)
        details = self.output_tokens_details
        return Usage(
            input_tokens=int(self.input_tokens or 0) + written + cached,
            output_tokens=int(self.output_tokens or 0),
            reasoning_tokens=int(details.thinking_tokens or 0) if details is not None else 0,
            cached_tokens=cached,
            cache_write_tokens=written,
            model_calls=1,
        )


class _Message(_AnthropicRecord):
    content: Annotated[tuple[_Block, ...], BeforeValidator(_as_blocks)] = ()
    stop_reason: Text | None = None
    stop_details: _StopDetails | None = None
    usage: _AnthropicUsage | None = None


class AnthropicEvent(_AnthropicRecord):
    """One event of a stream, or (``type`` is ``message``) the response of a server that doesn't stream."""

    type: str
    index: int | None = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _AnthropicUsage | None = None
    error: dict[str, JsonValue] | None = None


class _OpenBlock:
    """A content block while its deltas are received."""

    def __init__(self, start: _Block) -> None:
        self.start = start
        self.signature = start.signature
        self._text = ReceivedText()

    def add(self, delta: _Delta) -> str:
        """Append a delta of text, thinking, JSON or signature; return the text to emit for it."""
        self.signature += delta.signature
        return self._text.add(delta.text + delta.thinking + _as_json_text(delta.partial_json))

    @property
    def text(self) -> str:
        """The text, thinking or arguments so far."""
        return str(self._text)

    @property
    def arguments_json(self) -> str:
        """The arguments of a call: those of its deltas or, if these are empty, of its start."""
        return self.text if parse_arguments(self.text) != {} else _as_json_text(self.start.input)


def _as_json_text(value: JsonValue) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


class AnthropicResponseBuilder(ResponseBuilder):
    """One response of the Messages API: a list of content blocks."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        super().__init__(request, emit, output_tool=uses_output_tool(request))
        self._blocks: list[_OpenBlock] = []
        self._blocks_by_index: dict[int, _OpenBlock] = {}
        self._has_ended = False
        self._stop_reason: str | None = None
        self._refusal_explanation: str | None = None
        self._usage: _AnthropicUsage | None = None

    @property
    def part_count(self) -> int:
        """The number of content blocks so far."""
        return len(self._blocks)

    def add(self, received: object) -> None:
        """Add the next event; unknown types are ignored."""
        event = AnthropicEvent.model_validate(received)
        if event.error is not None:
            raise ProviderStreamError(event.error)
        if event.type in ("message", "message_stop"):
            self._has_ended = True
        if event.message is not None:
            self._add_message(event.message)
        if event.content_block is not None and not self._is_known(event):
            self._start_block(event.index, event.content_block)
        if event.usage is not None:
            self._usage = event.usage.merged_over(self._usage)
        if event.delta is not None:
            self._set_stop(event.delta.stop_reason, event.delta.stop_details)
            if (block := self._block_of(event.delta, event.index)) is not None:
                self._add_delta(block, event.delta)

    def add_complete(self, received: object) -> None:
        """Add the response of a server that doesn't stream."""
        self.add({"type": "message", "message": received})

    def add_end(self) -> None:
        """Take what was received for the complete response, if there is any."""
        self._has_ended = bool(self._blocks)

    def _add_message(self, message: _Message) -> None:
        """Add a message: empty at the start of a stream, complete from a server that doesn't stream.

        At the end of a stream some servers repeat the whole message.
        """
        for block in message.content if not self._blocks else ():
            self._start_block(None, block)
        if message.usage is not None:
            self._usage = message.usage.merged_over(self._usage)
        self._set_stop(message.stop_reason, message.stop_details)

    def _is_known(self, event: AnthropicEvent) -> bool:
        """Return whether an event has a block that was started before: some servers send it again at its end."""
        known = self._blocks_by_index.get(event.index) if event.index is not None else next(iter(self._blocks), None)
        if known is None or event.content_block is None:
            return False
        call_id = event.content_block.id
        return event.type == "content_block_stop" or (bool(call_id) and known.start.id == call_id)

    def _start_block(self, index: int | None, start: _Block) -> None:
        block = self._new_block(index, start)
        self._add_delta(block, _Delta(text=start.text, thinking=start.thinking))

    def _new_block(self, index: int | None, start: _Block) -> _OpenBlock:
        block = _OpenBlock(start)
        self._blocks.append(block)
        if index is not None:
            self._blocks_by_index[index] = block
        return block

    def _block_of(self, delta: _Delta, index: int | None) -> _OpenBlock | None:
        """Return the block that a delta belongs to: the one at its index, or the last; some servers start none."""
        block = self._blocks_by_index.get(index) if index is not None else next(reversed(self._blocks), None)
        if block is None and (delta.text or delta.thinking):
            return self._new_block(index, _Block(type="text" if delta.text else "thinking"))
        return block

    def _add_delta(self, block: _OpenBlock, delta: _Delta) -> None:
        self.count_chars(len(delta.signature))
        if not block.add(delta):
            return
        self.emit_delta("text", delta.text)
        self.emit_delta("thinking", delta.thinking)
        self.emit_delta(
            None if self.is_output_tool(block.start.name) else "tool_arguments", _as_json_text(delta.partial_json)
        )

    def _set_stop(self, reason: str | None, details: _StopDetails | None) -> None:
        self._stop_reason = reason or self._stop_reason
        if details is not None:
            self._refusal_explanation = details.explanation or self._refusal_explanation

    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: neither a stop reason nor an end was received: the stream ended too early.
            ContentRefused: the model refused, and wrote nothing.
        """
        if self._stop_reason is None and not self._has_ended:
            raise self.incomplete_error()
        parts = [part for block in self._blocks if (part := self._part(block)) is not None]
        if self._stop_reason == "refusal" and self._refusal_explanation and not has_content(parts):
            raise ContentRefused(f"{self._model} refused to respond: {self._refusal_explanation}")
        has_calls = any(isinstance(part, ToolCall) for part in parts)
        stop = _STOP_REASONS.get(self._stop_reason or "") or ("tool_calls" if has_calls else "end")
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
                return self.tool_call_part(start.id, start.name, block.arguments_json)
            case _:
                return None
