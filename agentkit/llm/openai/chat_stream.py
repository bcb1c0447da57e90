"""Build a response from the chunks that a Chat Completions API streams."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import AliasChoices, Field, JsonValue

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.openai.compatible_model import OpenAIResponseBuilder
from agentkit.llm.shared.failures import ProviderStreamError
from agentkit.messages import ContentPart, TextPart, ThinkingPart, Usage
from agentkit.records import Record

__all__ = ["ChatChunk", "ChatResponseBuilder"]

_STOPS: Mapping[str, StopReason] = {"length": "length", "max_tokens": "length", "content_filter": "refusal"}


class _ChatFunction(Record):
    name: str | None = None
    arguments: str | dict[str, JsonValue] | None = None
    """JSON text; some servers send the object itself."""


class _ChatToolCall(Record):
    index: int | None = None
    id: str | None = None
    function: _ChatFunction | None = None


class _ChatDelta(Record):
    """A part of a response, or all of it."""

    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = Field(default=None, validation_alias=AliasChoices("reasoning_content", "reasoning"))
    reasoning_details: tuple[dict[str, JsonValue], ...] | None = None
    """OpenRouter's form of the reasoning, which the next request has to contain."""
    tool_calls: tuple[_ChatToolCall, ...] | None = None


class _ChatChoice(Record):
    delta: _ChatDelta | None = Field(default=None, validation_alias=AliasChoices("delta", "message"))
    finish_reason: str | None = None
    error: JsonValue = None
    """Why the response ends, from OpenRouter."""


class _ChatTokenDetails(Record):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _ChatCostDetails(Record):
    upstream_inference_cost: float | None = None


class _ChatUsage(Record):
    """The provider's count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _ChatTokenDetails | None = None
    completion_tokens_details: _ChatTokenDetails | None = None
    cost: float | None = None
    """US dollars that OpenRouter charges."""
    is_byok: bool | None = None
    """The provider behind OpenRouter bills its share itself, on the user's own key."""
    cost_details: _ChatCostDetails | None = None

    def usage(self) -> Usage:
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            input_tokens=self.prompt_tokens or 0,
            output_tokens=self.completion_tokens or 0,
            reasoning_tokens=(completion and completion.reasoning_tokens) or 0,
            cached_tokens=(prompt and prompt.cached_tokens) or 0,
            cache_write_tokens=(prompt and prompt.cache_write_tokens) or 0,
            cost_usd=self._cost(),
            model_calls=1,
        )

    def _cost(self) -> float | None:
        upstream = self.cost_details.upstream_inference_cost if self.cost_details else None
        if self.cost is None or not self.is_byok:
            return self.cost
        return None if upstream is None else self.cost + upstream


class ChatChunk(Record):
    """One event of a stream, or a complete response, which has ``message`` instead of ``delta``."""

    choices: tuple[_ChatChoice, ...] | None = None
    usage: _ChatUsage | None = None
    provider: str | None = None
    """The provider behind OpenRouter."""

    @classmethod
    def read(cls, received: object) -> ChatChunk:
        """Return what was received, an object of the SDK or parsed JSON, validated.

        Raises:
            ValidationError: it is no chunk.
        """
        return cls.model_validate(received, from_attributes=True)


class _PartialCall:
    """A tool call that is still being received."""

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.name = ""
        self.arguments: list[str] = []


class ChatResponseBuilder(OpenAIResponseBuilder):
    """One response of a Chat Completions API."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        super().__init__(request, emit)
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._reasoning_details: list[dict[str, JsonValue]] = []
        self._calls: list[_PartialCall] = []
        self._calls_by_index: dict[int, _PartialCall] = {}
        self._finish_reason: str | None = None
        self._is_refused = False
        self._usage: _ChatUsage | None = None
        self._served_by: str | None = None

    def add(self, received: object) -> None:
        """Add the next chunk."""
        chunk = ChatChunk.read(received)
        self._usage = chunk.usage or self._usage
        self._served_by = chunk.provider or self._served_by
        for choice in (chunk.choices or ())[:1]:
            if choice.error:
                raise ProviderStreamError(choice.error)
            self._finish_reason = choice.finish_reason or self._finish_reason
            if choice.delta is not None:
                self._add_delta(choice.delta)

    def add_complete(self, received: object) -> None:
        """Add the response of a server that doesn't stream."""
        if isinstance(received, dict) and received.get("error"):
            raise ProviderStreamError(received["error"])
        self.add(received)

    def _add_delta(self, delta: _ChatDelta) -> None:
        if delta.reasoning:
            self._thinking.append(delta.reasoning)
            self.emit_delta("thinking", delta.reasoning)
        for detail in delta.reasoning_details or ():
            _merge_detail(self._reasoning_details, detail)
        if delta.refusal:
            self._is_refused = True
        for text in filter(None, (delta.content, delta.refusal)):
            self._text.append(text)
            self.emit_delta("text", text)
        for call_delta in delta.tool_calls or ():
            self._add_call_delta(call_delta)

    def _add_call_delta(self, delta: _ChatToolCall) -> None:
        call = self._call_for(delta.index, delta.id or "")
        if delta.function is None:
            return
        call.name += delta.function.name or ""
        arguments = delta.function.arguments
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if arguments:
            call.arguments.append(arguments)
            self.emit_delta("tool_arguments", arguments)

    def _call_for(self, index: int | None, call_id: str) -> _PartialCall:
        """Return the call that a delta belongs to.

        That is the call at its index, or the last one if it has no index. A new id at the same index starts another
        call: some servers send index 0 for all.
        """
        call = self._calls_by_index.get(index) if index is not None else next(reversed(self._calls), None)
        if call is None or (call_id and call.id and call_id != call.id):
            call = _PartialCall(call_id)
            self._calls.append(call)
        if index is not None:
            self._calls_by_index[index] = call
        call.id = call.id or call_id
        return call

    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: there was no finish reason, or it was an error.
            ContentRefused: the provider's filter left nothing.
        """
        if self._finish_reason is None:
            raise self.incomplete_error()
        if self._finish_reason == "error":
            raise ModelUnavailable(f"{self._model} failed in the middle of its response, and gave no reason")
        usage = self._usage.usage() if self._usage is not None else None
        return self.assemble(self._parts(), self._stop_reason(), usage, self._served_by)

    def _parts(self) -> list[ContentPart]:
        parts: list[ContentPart] = []
        if self._thinking or self._reasoning_details:
            data: JsonValue = [*self._reasoning_details] or None
            parts.append(ThinkingPart(text="".join(self._thinking), provider=self.provider, data=data))
        if self._text:
            parts.append(TextPart(text="".join(self._text)))
        parts.extend(self.tool_call(call.id, call.name, "".join(call.arguments)) for call in self._calls)
        return parts

    def _stop_reason(self) -> StopReason:
        if self._is_refused:
            return "refusal"
        return _STOPS.get(self._finish_reason or "") or ("tool_calls" if self._calls else "end")


def _merge_detail(details: list[dict[str, JsonValue]], delta: dict[str, JsonValue]) -> None:
    """Add a part of the reasoning to the last detail if type and index are equal: OpenRouter wants them joined."""
    last = details[-1] if details else {}
    field = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(str(delta.get("type")))
    if field is None or delta.get("index") is None or any(last.get(key) != delta[key] for key in ("type", "index")):
        details.append(delta)
        return
    joined = f"{last.get(field) or ''}{delta.get(field) or ''}"
    details[-1] = last | {key: value for key, value in delta.items() if value is not None} | {field: joined}
