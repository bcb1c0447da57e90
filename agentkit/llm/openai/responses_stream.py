"""Put an answer together from the events of OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from openai import BaseModel
from pydantic import JsonValue, TypeAdapter

from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.openai.errors import AnswerFailed
from agentkit.llm.shared.response_builder import Output
from agentkit.messages import ContentPart, TextPart, ThinkingPart, Usage
from agentkit.records import Record

__all__ = ["ResponsesAnswer"]

Kind = Literal["text", "thinking", "tool_arguments"]

_DELTAS: Mapping[str, Kind] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_summary_text.delta": "thinking",
    "response.reasoning_text.delta": "thinking",
    "response.function_call_arguments.delta": "tool_arguments",
}
_ENDS = {"response.completed", "response.incomplete", "response.failed"}
_PARAGRAPH = "\n\n"
"""Between two parts of a summary."""


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
    """A piece of the answer: reasoning, a message, or a call."""

    type: str
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    phase: str | None = None
    encrypted_content: str | None = None
    summary: tuple[_Text, ...] = ()
    content: tuple[_Text, ...] | None = None

    @property
    def thought(self) -> str:
        return _PARAGRAPH.join(part.text for part in self.summary) or "".join(part.text for part in self.content or ())

    @property
    def said(self) -> str:
        return "".join(part.text or part.refusal for part in self.content or ())

    @property
    def refuses(self) -> bool:
        return any(part.type == "refusal" for part in self.content or ())


class _Details(Record):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(Record):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None

    def usage(self) -> Usage:
        asked, answered = self.input_tokens_details or _Details(), self.output_tokens_details or _Details()
        return Usage(
            input_tokens=self.input_tokens or 0,
            output_tokens=self.output_tokens or 0,
            reasoning_tokens=answered.reasoning_tokens or 0,
            cached_tokens=asked.cached_tokens or 0,
            cache_write_tokens=asked.cache_write_tokens or 0,
            model_calls=1,
        )


class _Incomplete(Record):
    reason: str | None = None


class _End(Record):
    """How a response ended."""

    status: str | None = None
    incomplete_details: _Incomplete | None = None
    usage: _Usage | None = None


_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class ResponsesAnswer:
    """One answer as it grows: items, each of which ends as a whole."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        self._output = Output(request, emit)
        self._items: dict[int, dict[str, JsonValue]] = {}
        self._told: set[int] = set()
        self._thinks = True
        self._end: _End | None = None

    @property
    def begun(self) -> bool:
        """Whether the model has said anything yet."""
        return self._output.begun

    @property
    def thinks(self) -> bool:
        """Whether no text and no call is being written: what the model thinks it may keep to itself."""
        return self._thinks

    def add(self, received: object) -> None:
        """Take the next event.

        Raises:
            AnswerFailed: the provider gives up.
            ModelOutputInvalid: the answer is too long.
            ValidationError: it is no event.
        """
        event = _Event.model_validate(received, from_attributes=True)
        place = len(self._items) if event.output_index is None else event.output_index
        if event.type in _DELTAS and event.delta:
            self._told.add(place)
            self._thinks = _DELTAS[event.type] == "thinking"
            self._output.tell(_DELTAS[event.type], event.delta)
        elif event.type == "response.reasoning_summary_part.added" and event.summary_index:
            self._output.tell("thinking", _PARAGRAPH)
        elif event.type == "response.output_item.added":
            self._thinks = _plain(received, "item").get("type") == "reasoning"
        elif event.type == "response.output_item.done":
            self._thinks = True
            self._take(place, _plain(received, "item"))
        elif event.type in _ENDS:
            self._finish(_plain(received, "response"))
        elif event.type == "error":
            raise AnswerFailed(_plain(received))

    def add_whole(self, received: object) -> None:
        """Take the answer of a server that doesn't stream."""
        whole = _plain(received)
        if whole.get("error"):
            raise AnswerFailed(whole["error"])
        self._finish(whole)

    def _take(self, place: int, item: dict[str, JsonValue]) -> None:
        self._items[place] = item
        if place in self._told:
            return
        read = _Item.model_validate(item)
        if read.type == "reasoning":
            self._output.tell("thinking", read.thought)
        elif read.type == "message":
            self._output.tell("text", read.said)
        elif read.type == "function_call":
            self._output.tell("tool_arguments", read.arguments)

    def _finish(self, response: dict[str, JsonValue]) -> None:
        end = _End.model_validate(response)
        if end.status == "failed":
            raise AnswerFailed(response.get("error"))
        items = response.get("output")
        if not self._items and isinstance(items, list):
            for place, item in enumerate(items):
                self._take(place, _JSON.validate_python(item))
        self._end = end

    def response(self) -> ModelResponse:
        """Return the whole answer.

        Raises:
            ModelUnavailable: it has no end: the stream was cut short, or was none.
            ContentRefused: the provider's filter left nothing.
        """
        if self._end is None or self._end.status not in ("completed", "incomplete"):
            raise self._output.cut_off()
        items = [(self._items[place], _Item.model_validate(self._items[place])) for place in sorted(self._items)]
        parts = [part for item, read in items for part in self._parts(item, read)]
        usage = self._end.usage.usage() if self._end.usage is not None else None
        return self._output.response(parts, self._stop_reason(read for _, read in items), usage)

    def _parts(self, item: dict[str, JsonValue], read: _Item) -> Iterator[ContentPart]:
        if read.type == "reasoning":
            # Without its content it is a reference to what OpenAI was told not to store.
            returnable = read.encrypted_content or read.content
            if read.thought or returnable:
                data: JsonValue = item if returnable else None
                yield ThinkingPart(text=read.thought, provider=self._output.provider, data=data)
        elif read.type == "message" and read.said:
            if read.phase is not None:
                kept: JsonValue = {"type": "message", "phase": read.phase}
                yield ThinkingPart(text="", provider=self._output.provider, data=kept)
            yield TextPart(text=read.said)
        elif read.type == "function_call":
            yield self._output.call(read.call_id, read.name, read.arguments)

    def _stop_reason(self, items: Iterable[_Item]) -> StopReason:
        found = list(items)
        if any(item.refuses for item in found):
            return "refusal"
        if self._end is not None and self._end.status == "incomplete":
            why = self._end.incomplete_details
            return "refusal" if why is not None and why.reason == "content_filter" else "length"
        return "tool_calls" if any(item.type == "function_call" for item in found) else "end"


def _plain(received: object, field: str | None = None) -> dict[str, JsonValue]:
    """Return an object of the SDK, or one of its fields, as JSON, unchanged; fields that weren't sent stay away."""
    value = getattr(received, field, None) if field and isinstance(received, BaseModel) else received
    if isinstance(value, Mapping) and field and value is received:
        value = value.get(field)
    if isinstance(value, BaseModel):
        return value.to_dict(mode="json", warnings=False)  # type: ignore[return-value]  # JSON, by its mode
    return _JSON.validate_python(value)
