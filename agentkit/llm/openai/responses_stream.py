"""Build a response from the events of OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from openai import BaseModel
from pydantic import JsonValue, TypeAdapter

from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.openai.compatible_model import OpenAIResponseBuilder
from agentkit.llm.shared.failures import ProviderStreamError
from agentkit.llm.shared.response_builder import DeltaKind
from agentkit.messages import ContentPart, TextPart, ThinkingPart, Usage
from agentkit.records import Record

__all__ = ["ResponsesResponseBuilder"]

_DELTAS: Mapping[str, DeltaKind] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_summary_text.delta": "thinking",
    "response.reasoning_text.delta": "thinking",
    "response.function_call_arguments.delta": "tool_arguments",
}
_FINAL_EVENTS = {"response.completed", "response.incomplete", "response.failed"}
_PARAGRAPH = "\n\n"
"""Separates the parts of a reasoning summary."""


class _Event(Record):
    """One event of the stream; each type has some of these fields."""

    type: str
    output_index: int | None = None
    summary_index: int | None = None
    delta: str | None = None


class _Text(Record):
    type: str
    text: str = ""
    refusal: str = ""


class _Item(Record):
    """One output item: reasoning, a message, or a tool call."""

    type: str
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    phase: str | None = None
    encrypted_content: str | None = None
    summary: tuple[_Text, ...] = ()
    content: tuple[_Text, ...] | None = None

    @property
    def reasoning_text(self) -> str:
        return _PARAGRAPH.join(part.text for part in self.summary) or "".join(part.text for part in self.content or ())

    @property
    def message_text(self) -> str:
        return "".join(part.text or part.refusal for part in self.content or ())

    @property
    def is_refusal(self) -> bool:
        return any(part.type == "refusal" for part in self.content or ())


class _TokenDetails(Record):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _ResponsesUsage(Record):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _TokenDetails | None = None
    output_tokens_details: _TokenDetails | None = None

    def usage(self) -> Usage:
        input_details = self.input_tokens_details or _TokenDetails()
        output_details = self.output_tokens_details or _TokenDetails()
        return Usage(
            input_tokens=self.input_tokens or 0,
            output_tokens=self.output_tokens or 0,
            reasoning_tokens=output_details.reasoning_tokens or 0,
            cached_tokens=input_details.cached_tokens or 0,
            cache_write_tokens=input_details.cache_write_tokens or 0,
            model_calls=1,
        )


class _IncompleteDetails(Record):
    reason: str | None = None


class _FinalResponse(Record):
    """The response object of a final event."""

    status: str | None = None
    incomplete_details: _IncompleteDetails | None = None
    usage: _ResponsesUsage | None = None


_JSON_OBJECT: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class ResponsesResponseBuilder(OpenAIResponseBuilder):
    """One response of the Responses API: a list of items, each of which is sent again in full when it is complete."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        super().__init__(request, emit)
        self._items: dict[int, dict[str, JsonValue]] = {}
        self._streamed: set[int] = set()
        """The indices of items whose deltas were emitted."""
        self._is_thinking = True
        self._final: _FinalResponse | None = None

    @property
    def is_thinking(self) -> bool:
        """Whether neither text nor a tool call is being sent: OpenAI may keep the reasoning to itself."""
        return self._is_thinking

    def add(self, received: object) -> None:
        """Add the next event."""
        event = _Event.model_validate(received, from_attributes=True)
        index = len(self._items) if event.output_index is None else event.output_index
        if event.type in _DELTAS and event.delta:
            self._streamed.add(index)
            self._is_thinking = _DELTAS[event.type] == "thinking"
            self.emit_delta(_DELTAS[event.type], event.delta)
        elif event.type == "response.reasoning_summary_part.added" and event.summary_index:
            self.emit_delta("thinking", _PARAGRAPH)
        elif event.type == "response.output_item.added":
            self._is_thinking = _as_json(received, "item").get("type") == "reasoning"
        elif event.type == "response.output_item.done":
            self._is_thinking = True
            self._add_item(index, _as_json(received, "item"))
        elif event.type in _FINAL_EVENTS:
            self._finish(_as_json(received, "response"))
        elif event.type == "error":
            raise ProviderStreamError(_as_json(received))

    def add_complete(self, received: object) -> None:
        """Add the response of a server that doesn't stream."""
        response = _as_json(received)
        if response.get("error"):
            raise ProviderStreamError(response["error"])
        self._finish(response)

    def _add_item(self, index: int, item: dict[str, JsonValue]) -> None:
        self._items[index] = item
        if index in self._streamed:
            return
        parsed = _Item.model_validate(item)
        match parsed.type:
            case "reasoning":
                self.emit_delta("thinking", parsed.reasoning_text)
            case "message":
                self.emit_delta("text", parsed.message_text)
            case "function_call":
                self.emit_delta("tool_arguments", parsed.arguments)

    def _finish(self, response: dict[str, JsonValue]) -> None:
        final = _FinalResponse.model_validate(response)
        if final.status == "failed":
            raise ProviderStreamError(response.get("error"))
        items = response.get("output")
        if not self._items and isinstance(items, list):
            for index, item in enumerate(items):
                self._add_item(index, _JSON_OBJECT.validate_python(item))
        self._final = final

    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: there was no final event: the stream ended too early.
            ContentRefused: the provider's filter left nothing.
        """
        if self._final is None or self._final.status not in ("completed", "incomplete"):
            raise self.incomplete_error()
        items = [(self._items[index], _Item.model_validate(self._items[index])) for index in sorted(self._items)]
        parts = [part for item, parsed in items for part in self._parts(item, parsed)]
        usage = self._final.usage.usage() if self._final.usage is not None else None
        return self.assemble(parts, _stop_reason(self._final, [parsed for _, parsed in items]), usage)

    def _parts(self, item: dict[str, JsonValue], parsed: _Item) -> Iterator[ContentPart]:
        if parsed.type == "reasoning":
            # Without its content, an item is a reference to reasoning that OpenAI was asked not to store.
            can_be_sent_back = parsed.encrypted_content or parsed.content
            if parsed.reasoning_text or can_be_sent_back:
                data: JsonValue = item if can_be_sent_back else None
                yield ThinkingPart(text=parsed.reasoning_text, provider=self.provider, data=data)
        elif parsed.type == "message" and parsed.message_text:
            if parsed.phase is not None:
                phase: JsonValue = {"type": "message", "phase": parsed.phase}
                yield ThinkingPart(text="", provider=self.provider, data=phase)
            yield TextPart(text=parsed.message_text)
        elif parsed.type == "function_call":
            yield self.tool_call(parsed.call_id, parsed.name, parsed.arguments)


def _stop_reason(final: _FinalResponse, items: Sequence[_Item]) -> StopReason:
    if any(item.is_refusal for item in items):
        return "refusal"
    if final.status == "incomplete":
        details = final.incomplete_details
        return "refusal" if details is not None and details.reason == "content_filter" else "length"
    return "tool_calls" if any(item.type == "function_call" for item in items) else "end"


def _as_json(received: object, field: str | None = None) -> dict[str, JsonValue]:
    """Return an object of the SDK, or one of its fields, as JSON, without the fields that weren't sent."""
    value = getattr(received, field, None) if field and isinstance(received, BaseModel) else received
    if isinstance(value, Mapping) and field and value is received:
        value = value.get(field)
    if isinstance(value, BaseModel):
        return value.to_dict(mode="json", warnings=False)  # type: ignore[return-value]  # JSON, by its mode
    return _JSON_OBJECT.validate_python(value)
