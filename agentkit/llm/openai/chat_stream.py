"""Build a response from the chunks that a Chat Completions API streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.openai.chat_chunk import ChatChoice, ChatChunk, ChatDelta
from agentkit.llm.openai.partial_calls import PartialCalls
from agentkit.llm.openai.usage import OpenAIUsage
from agentkit.llm.shared.failures import ProviderStreamError
from agentkit.llm.shared.streams.received_text import ReceivedText
from agentkit.llm.shared.streams.response_builder import ResponseBuilder
from agentkit.messages import ContentPart, TextPart, ThinkingPart

__all__ = ["ChatResponseBuilder"]

_STOPS: Mapping[str, StopReason] = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "refusal",
    "prohibited_content": "refusal",
    "recitation": "refusal",
    "refusal": "refusal",
    "safety": "refusal",
    "sensitive": "refusal",
}
"""Stop reasons by finish reason in lower case. All others mean that the response is complete."""
_FAILED = {"abort", "error", "insufficient_system_resource", "network_error"}
"""The server gave up in the middle."""


class ChatResponseBuilder(ResponseBuilder):
    """One response of a Chat Completions API."""

    def __init__(self, request: ModelRequest, emit: Emit | None, *, output_tool: bool = False) -> None:
        super().__init__(request, emit, output_tool=output_tool)
        self._text = ReceivedText()
        self._thinking = ReceivedText()
        self._reasoning_field = ""
        self._reasoning_details: list[dict[str, JsonValue]] = []
        self._calls = PartialCalls(self._tool_names)
        self._extra_content: JsonValue = None
        self._finish_reason = ""
        self._has_ended = False
        self._is_refused = False
        self._usage: OpenAIUsage | None = None
        self._served_by = ""

    @property
    def part_count(self) -> int:
        """The number of calls and details of the reasoning so far."""
        return len(self._calls.received) + len(self._reasoning_details)

    def add(self, received: object) -> None:
        """Add the next chunk."""
        self._add_chunk(ChatChunk.model_validate(received))

    def add_complete(self, received: object) -> None:
        """Add the response of a server that doesn't stream."""
        chunk = ChatChunk.model_validate(received)
        self._add_chunk(chunk)
        self._has_ended = chunk.choice is not None and (chunk.choice.message or chunk.choice.delta) is not None

    def add_end(self) -> None:
        """Mark the response as complete."""
        self._has_ended = self.has_output or bool(self._calls.received)

    def _add_chunk(self, chunk: ChatChunk) -> None:
        for usage in chunk.usages:
            self._usage = usage.merged_over(self._usage)
        self._served_by = chunk.provider or self._served_by
        if chunk.choice is not None:
            self._add_choice(chunk.choice)

    def _add_choice(self, choice: ChatChoice) -> None:
        if choice.error:
            raise ProviderStreamError(choice.error)
        self._finish_reason = choice.finish_reason or choice.native_finish_reason or self._finish_reason
        if choice.delta is not None:
            self._add_delta(choice.delta)
        if choice.message is not None:
            self._add_delta(self._without_received(choice.message), is_complete=True)

    def _without_received(self, message: ChatDelta) -> ChatDelta:
        """Return ``message`` without what was already streamed: servers repeat it in the last chunk, or in each."""
        received = {
            **({"text": "", "refusal": ""} if self._text else {}),
            **({"reasoning": "", "reasoning_details": ()} if self._thinking or self._reasoning_details else {}),
            **({"tool_calls": (), "function_call": None} if self._calls.received else {}),
        }
        return message.model_copy(update=received)

    def _add_delta(self, delta: ChatDelta, *, is_complete: bool = False) -> None:
        if delta.reasoning:
            self._reasoning_field = self._reasoning_field or delta.reasoning_field
            self.emit_delta("thinking", self._thinking.add(delta.reasoning))
        for detail in delta.reasoning_details:
            _merge_detail(self._reasoning_details, detail)
            self.count_chars(sum(len(value) for value in detail.values() if isinstance(value, str)))
        if delta.refusal:
            self._is_refused = True
        for text in (delta.text, delta.refusal):
            self.emit_delta("text", self._text.add(text))
        self._extra_content = self._extra_content or delta.extra_content
        self._add_calls(delta, is_complete=is_complete)

    def _add_calls(self, delta: ChatDelta, *, is_complete: bool) -> None:
        deltas = delta.calls
        calls = [self._calls.add_complete(call) for call in deltas] if is_complete else self._calls.add(deltas)
        for call, call_delta in zip(calls, deltas, strict=True):
            is_output = self.is_output_tool(call.name)
            self.emit_delta(None if is_output else "tool_arguments", call_delta.function.arguments_json)

    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: there was neither a finish reason nor an end, or the server gave up.
            ContentRefused: the provider's filter left nothing.
        """
        if not self._finish_reason and not self._has_ended:
            raise self.incomplete_error()
        if self._finish_reason.lower() in _FAILED:
            raise ModelUnavailable(
                f"{self._model} failed in the middle of its response, and gave no reason ({self._finish_reason})"
            )
        parts = [*self._parts()]
        usage = self._usage.usage() if self._usage is not None else None
        return self.assemble(parts, self._stop_reason(parts), usage, self._served_by or None)

    def _parts(self) -> Iterator[ContentPart]:
        if self._thinking or self._reasoning_details:
            data: JsonValue = {"field": self._reasoning_field} if self._reasoning_field else None
            data = [*self._reasoning_details] or data
            yield ThinkingPart(text=str(self._thinking), provider=self.provider, data=data)
        if self._text:
            yield from self._signature(self._extra_content)
            yield TextPart(text=str(self._text))
        for call in self._calls.received:
            yield from self._signature(call.extra_content)
            yield self.tool_call_part(call.id, call.name, call.arguments)

    def _signature(self, extra_content: JsonValue) -> Iterator[ContentPart]:
        """Yield what the server wants back with the next part."""
        if extra_content:
            yield ThinkingPart(text="", provider=self.provider, data={"extra_content": extra_content})

    def _stop_reason(self, parts: list[ContentPart]) -> StopReason:
        if self._is_refused:
            return "refusal"
        has_calls = any(part.type == "tool_call" for part in parts)
        return _STOPS.get(self._finish_reason.lower()) or ("tool_calls" if has_calls else "end")


def _merge_detail(details: list[dict[str, JsonValue]], delta: dict[str, JsonValue]) -> None:
    """Add a part of the reasoning to the last detail if type and index are equal: OpenRouter wants them joined."""
    last = details[-1] if details else {}
    field = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(str(delta.get("type")))
    if field is None or delta.get("index") is None or any(last.get(key) != delta[key] for key in ("type", "index")):
        details.append(delta)
        return
    joined = f"{last.get(field) or ''}{delta.get(field) or ''}"
    details[-1] = last | {key: value for key, value in delta.items() if value is not None} | {field: joined}
