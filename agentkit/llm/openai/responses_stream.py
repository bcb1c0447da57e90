"""Build a response from the events of OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue, TypeAdapter

from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.openai.responses_items import PARAGRAPH, PartialItem, PartialItems, ResponseItem
from agentkit.llm.openai.usage import OpenAIUsage, OptionalUsage
from agentkit.llm.shared.failures import ProviderStreamError
from agentkit.llm.shared.lenient_types import Text
from agentkit.llm.shared.streams.response_builder import DeltaKind, ResponseBuilder
from agentkit.messages import ContentPart, TextPart, ThinkingPart
from agentkit.records import Record

__all__ = ["ResponsesResponseBuilder"]

_DELTAS: Mapping[str, DeltaKind] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_summary_text.delta": "thinking",
    "response.reasoning_text.delta": "thinking",
    "response.function_call_arguments.delta": "tool_arguments",
}
_UNFINISHED = ("cancelled", "in_progress", "queued")
_STATUS_OF_FINAL_EVENT = {
    "response.completed": "completed",
    "response.done": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}


class _Event(Record):
    """One event of the stream; each type has some of these fields."""

    type: str
    output_index: int | None = None
    item_id: Text = ""
    summary_index: int | None = None
    delta: Text = ""
    item: dict[str, JsonValue] | None = None
    response: dict[str, JsonValue] | None = None
    usage: OptionalUsage = None


class _IncompleteDetails(Record):
    reason: Text = ""


class _FinalResponse(Record):
    """The response object of a final event."""

    status: Text = ""
    incomplete_details: _IncompleteDetails | None = None
    usage: OptionalUsage = None
    output: tuple[dict[str, JsonValue], ...] | None = None
    error: JsonValue = None


_JSON_OBJECT: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class ResponsesResponseBuilder(ResponseBuilder):
    """One response of the Responses API: a list of items, each of which is sent again in full when it is complete."""

    def __init__(self, request: ModelRequest, emit: Emit | None, *, output_tool: bool = False) -> None:
        super().__init__(request, emit, output_tool=output_tool)
        self._items = PartialItems()
        self._is_thinking = False
        self._final: _FinalResponse | None = None
        self._usage: OpenAIUsage | None = None

    @property
    def is_thinking(self) -> bool:
        """Whether neither text nor a tool call is being sent: OpenAI may keep the reasoning to itself."""
        return self._is_thinking

    @property
    def part_count(self) -> int:
        """The number of items so far."""
        return len(self._items.received)

    def add(self, received: object) -> None:
        """Add the next event."""
        event = _Event.model_validate(received)
        self._add_usage(event.usage)
        if event.type == "response.created":
            self._is_thinking = True
        if event.type in _DELTAS and event.delta:
            self._add_delta(_DELTAS[event.type], event)
        elif event.type == "response.reasoning_summary_part.added" and event.summary_index:
            self._items.for_delta("thinking", event.output_index, event.item_id).add(PARAGRAPH)
            self.emit_delta("thinking", PARAGRAPH)
        elif event.type == "response.output_item.added":
            item = _JSON_OBJECT.validate_python(event.item)
            self._is_thinking = item.get("type") == "reasoning"
            self._items.start(item, event.output_index)
        elif event.type == "response.output_item.done":
            self._is_thinking = True
            finished = self._items.finish(_JSON_OBJECT.validate_python(event.item), event.output_index)
            if finished is not None:
                self._emit_item(finished)
        elif event.type in _STATUS_OF_FINAL_EVENT:
            self._finish_stream(_JSON_OBJECT.validate_python(event.response), _STATUS_OF_FINAL_EVENT[event.type])
        elif event.type == "error":
            raise ProviderStreamError(_JSON_OBJECT.validate_python(received))

    def add_complete(self, received: object) -> None:
        """Add the response of a server that doesn't stream."""
        response = _JSON_OBJECT.validate_python(received)
        self._finish(response, "completed" if "output" in response else "in_progress")

    def add_end(self) -> None:
        """Take what was received for the complete response, if the server has sent no final event."""
        if self._final is None and self._items.received:
            self._final = _FinalResponse(status="completed")

    def _add_delta(self, kind: DeltaKind, event: _Event) -> None:
        self._is_thinking = kind == "thinking"
        item = self._items.for_delta(kind, event.output_index, event.item_id)
        item.add(event.delta)
        is_output = self.is_output_tool(item.state.name)
        self.emit_delta(None if is_output else kind, event.delta)

    def _add_usage(self, usage: OpenAIUsage | None) -> None:
        if usage is not None:
            self._usage = usage.merged_over(self._usage)

    def _emit_item(self, item: PartialItem) -> None:
        """Emit an item that no deltas came of."""
        if item.is_streamed:
            return
        match item.state.type:
            case "reasoning":
                self.emit_delta("thinking", item.state.reasoning_text)
            case "message":
                self.emit_delta("text", item.state.message_text)
            case "function_call" if not self.is_output_tool(item.state.name):
                self.emit_delta("tool_arguments", item.state.arguments_json)

    def _finish_stream(self, response: dict[str, JsonValue], status: str) -> None:
        """Add the response object of a final event; some servers leave its status as it was at the start."""
        is_complete = response.get("status") not in _UNFINISHED or not (response.get("output") or self._items.received)
        self._finish(response if is_complete else {**response, "status": status}, status)

    def _finish(self, response: dict[str, JsonValue], status: str) -> None:
        """Add the complete response; ``status`` is that of a response without any."""
        final = _FinalResponse.model_validate({**response, "status": response.get("status") or status})
        if final.status == "failed":
            raise ProviderStreamError(final.error)
        for item in self._items.merge([*(final.output or ())]):
            self._emit_item(item)
        self._add_usage(final.usage)
        self._final = final

    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: there was no final event: the stream ended too early.
            ContentRefused: the provider's filter left nothing.
        """
        if self._final is None or self._final.status in _UNFINISHED:
            raise self.incomplete_error()
        received = [item.read() for item in self._items.received]
        items = [(item, ResponseItem.model_validate(item)) for item in received]
        parts = [part for item, parsed in items for part in self._parts(item, parsed)]
        usage = self._usage.usage() if self._usage is not None else None
        return self.assemble(parts, _stop_reason(self._final, [parsed for _, parsed in items], parts), usage)

    def _parts(self, item: dict[str, JsonValue], parsed: ResponseItem) -> Iterator[ContentPart]:
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
            yield self.tool_call_part(parsed.call_id, parsed.name, parsed.arguments_json)


def _stop_reason(final: _FinalResponse, items: Sequence[ResponseItem], parts: Sequence[ContentPart]) -> StopReason:
    if any(item.is_refusal for item in items):
        return "refusal"
    if final.status == "incomplete":
        details = final.incomplete_details
        return "refusal" if details is not None and details.reason == "content_filter" else "length"
    if any(item.type == "function_call" and item.status == "incomplete" for item in items):
        return "length"
    return "tool_calls" if any(part.type == "tool_call" for part in parts) else "end"
