"""Put an answer together from the pieces that an OpenAI-compatible server streams."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.openai.chat_request import Chunk, WireDelta, WireUsage
from agentkit.llm.openai.errors import AnswerFailed
from agentkit.llm.shared.response_builder import Output
from agentkit.messages import ContentPart, TextPart, ThinkingPart

__all__ = ["ChatAnswer"]

_STOPS: Mapping[str, StopReason] = {"length": "length", "max_tokens": "length", "content_filter": "refusal"}


class _OpenCall:
    """A tool call whose pieces are still coming."""

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.name = ""
        self.arguments: list[str] = []


class ChatAnswer:
    """One answer as it grows."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        self._model = request.model
        self._output = Output(request, emit)
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._details: list[dict[str, JsonValue]] = []
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int, _OpenCall] = {}
        self._finish: str | None = None
        self._refused = False
        self._usage: WireUsage | None = None
        self._served_by: str | None = None

    @property
    def begun(self) -> bool:
        """Whether the model has said anything yet."""
        return self._output.begun

    @property
    def thinks(self) -> bool:
        """Whether the model thinks in silence: this API doesn't tell."""
        return False

    def add(self, received: object) -> None:
        """Take the next piece.

        Raises:
            AnswerFailed: the provider gives up.
            ModelOutputInvalid: the answer is too long.
            ValidationError: it is no piece of an answer.
        """
        chunk = Chunk.read(received)
        self._usage = chunk.usage or self._usage
        self._served_by = chunk.provider or self._served_by
        for choice in (chunk.choices or ())[:1]:
            if choice.error:
                raise AnswerFailed(choice.error)
            self._finish = choice.finish_reason or self._finish
            if choice.delta is not None:
                self._add_delta(choice.delta)

    def add_whole(self, received: object) -> None:
        """Take the answer of a server that doesn't stream; it differs from a piece in one word."""
        if isinstance(received, dict) and received.get("error"):
            raise AnswerFailed(received["error"])
        self.add(received)

    def _add_delta(self, delta: WireDelta) -> None:
        if delta.reasoning:
            self._thinking.append(delta.reasoning)
            self._output.tell("thinking", delta.reasoning)
        for detail in delta.reasoning_details or ():
            _merge(self._details, detail)
        if delta.refusal:
            self._refused = True
        for text in filter(None, (delta.content, delta.refusal)):
            self._text.append(text)
            self._output.tell("text", text)
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
                self._output.tell("tool_arguments", arguments)

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

    def response(self) -> ModelResponse:
        """Return the whole answer.

        Raises:
            ModelUnavailable: no finish reason came, or that it failed: the stream was cut short, or was none.
            ContentRefused: the provider's filter left nothing.
        """
        if self._finish is None:
            raise self._output.cut_off()
        if self._finish == "error":
            raise ModelUnavailable(f"{self._model} failed in the middle of its answer, and gave no reason")
        usage = self._usage.usage() if self._usage is not None else None
        return self._output.response(self._parts(), self._stop_reason(), usage, self._served_by)

    def _parts(self) -> list[ContentPart]:
        parts: list[ContentPart] = []
        if self._thinking or self._details:
            data: JsonValue = [*self._details] or None
            parts.append(ThinkingPart(text="".join(self._thinking), provider=self._output.provider, data=data))
        if self._text:
            parts.append(TextPart(text="".join(self._text)))
        parts.extend(self._output.call(call.id, call.name, "".join(call.arguments)) for call in self._calls)
        return parts

    def _stop_reason(self) -> StopReason:
        if self._refused:
            return "refusal"
        return _STOPS.get(self._finish or "") or ("tool_calls" if self._calls else "end")


def _merge(details: list[dict[str, JsonValue]], piece: dict[str, JsonValue]) -> None:
    """Add a piece of the reasoning: to the last one, if it goes on where that ended; the server wants it whole."""
    last = details[-1] if details else {}
    text = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(str(piece.get("type")))
    if text is None or piece.get("index") is None or any(last.get(key) != piece[key] for key in ("type", "index")):
        details.append(piece)
        return
    whole = f"{last.get(text) or ''}{piece.get(text) or ''}"
    details[-1] = last | {key: value for key, value in piece.items() if value is not None} | {text: whole}
