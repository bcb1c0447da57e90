"""Put an answer together from the pieces that an OpenAI-compatible server streams."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from agentkit.errors import ContentRefused, ModelOutputInvalid, ModelUnavailable
from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse, StopReason
from agentkit.llm.arguments import read_object
from agentkit.llm.estimates import estimated_usage
from agentkit.llm.openai_wire import Chunk, WireDelta, WireUsage, wire_name
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolCall, Usage

__all__ = ["MAX_OUTPUT_CHARS", "Answer"]

MAX_OUTPUT_CHARS = 1_048_576
"""An answer longer than this is a model gone astray."""

_STOPS: Mapping[str, StopReason] = {"length": "length", "max_tokens": "length", "content_filter": "refusal"}


class _OpenCall:
    """A tool call whose pieces are still coming."""

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.name = ""
        self.arguments: list[str] = []


class Answer:
    """One answer as it grows."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        self._request = request
        self._emit = emit
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int, _OpenCall] = {}
        self._finish: str | None = None
        self._refused = False
        self._usage: WireUsage | None = None
        self._size = 0

    @property
    def begun(self) -> bool:
        """Whether the model has said anything yet."""
        return self._size > 0

    def add(self, chunk: Chunk) -> None:
        """Take the next piece.

        Raises:
            ModelOutputInvalid: the answer is too long.
        """
        self._usage = chunk.usage or self._usage
        for choice in (chunk.choices or ())[:1]:
            self._finish = choice.finish_reason or self._finish
            if choice.delta is not None:
                self._add_delta(choice.delta)
        if self._size > MAX_OUTPUT_CHARS:
            raise ModelOutputInvalid(
                f"{self._request.model} said more than {MAX_OUTPUT_CHARS:,} characters and was cut off"
            )

    def _add_delta(self, delta: WireDelta) -> None:
        if delta.reasoning:
            self._thinking.append(delta.reasoning)
            self._tell("thinking", delta.reasoning)
        if delta.refusal:
            self._refused = True
        for text in filter(None, (delta.content, delta.refusal)):
            self._text.append(text)
            self._tell("text", text)
        for piece in delta.tool_calls or ():
            call = self._open_call(piece.index, piece.id or "")
            if piece.function is None:
                continue
            call.name += piece.function.name or ""
            arguments = piece.function.arguments
            if isinstance(arguments, dict):
                arguments = json.dumps(arguments, ensure_ascii=False)
            if arguments:
                call.arguments.append(arguments)
                self._tell("tool_arguments", arguments)

    def _open_call(self, index: int | None, call_id: str) -> _OpenCall:
        """Return the call that a piece belongs to: by index; another id at the same index is another call."""
        call = self._by_index.get(index) if index is not None else next(reversed(self._calls), None)
        if call is None or (call_id and call.id and call_id != call.id):
            call = _OpenCall(call_id)
            self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        call.id = call.id or call_id
        return call

    def _tell(self, kind: Literal["text", "thinking", "tool_arguments"], text: str) -> None:
        self._size += len(text)
        if self._emit is not None:
            self._emit(ModelDelta(kind, text))

    def response(self) -> ModelResponse:
        """Return the whole answer.

        Raises:
            ModelUnavailable: no finish reason came: the stream was cut short, or was none.
            ContentRefused: the provider's filter left nothing.
        """
        if self._finish is None:
            what = "was cut off in the middle" if self.begun else "was no answer at all"
            raise ModelUnavailable(f"What {self._request.model} sent {what}: no finish reason came")
        parts = self._parts()
        if self._finish == "content_filter" and not any(part.type in ("text", "tool_call") for part in parts):
            raise ContentRefused(f"The content filter of {self._request.model} left nothing of the answer")
        message = Message(role="assistant", parts=parts, model=self._request.model)
        return ModelResponse(message=message, stop_reason=self._stop_reason(), usage=self._spent(message))

    def _parts(self) -> tuple[ContentPart, ...]:
        parts: list[ContentPart] = []
        if self._thinking:
            provider, _, _ = self._request.model.partition(":")
            parts.append(ThinkingPart(text="".join(self._thinking), provider=provider))
        if self._text:
            parts.append(TextPart(text="".join(self._text)))
        names = {wire_name(tool.name): tool.name for tool in self._request.tools}
        for call in self._calls:
            written = "".join(call.arguments)
            arguments = read_object(written)
            parts.append(
                ToolCall(
                    id=call.id,
                    name=names.get(call.name, call.name),
                    arguments=arguments or {},
                    malformed=written if arguments is None else None,
                )
            )
        return tuple(parts)

    def _stop_reason(self) -> StopReason:
        if self._refused:
            return "refusal"
        return _STOPS.get(self._finish or "") or ("tool_calls" if self._calls else "end")

    def _spent(self, message: Message) -> Usage:
        if self._usage is None:
            return estimated_usage(self._request, message)
        return self._usage.usage()
