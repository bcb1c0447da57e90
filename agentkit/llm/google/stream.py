"""Put an answer together from the chunks that Google's Gemini API streams."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.google.profile import uses_output_tool, wire_function
from agentkit.llm.shared.response_builder import ResponseBuilder, has_content
from agentkit.messages import ContentPart, TextPart, ThinkingPart, ToolCall, Usage
from agentkit.records import Record

__all__ = ["GeminiChunk", "GeminiResponseBuilder"]

_UNUSABLE = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE"}
"""The model stumbled; asked again, it may not."""
_LENGTH = {"MAX_TOKENS", "CONTINUATION", "TOO_MANY_TOOL_CALLS"}
_REFUSED = {
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION", "PUP_LIMITED_DISABLED", "MODEL_ARMOR",
}  # fmt: skip


class _WireCall(Record):
    id: str | None = None
    name: str | None = None
    args: dict[str, JsonValue] | None = None


class _WirePart(Record):
    text: str | None = None
    thought: bool | None = None
    thought_signature: bytes | None = None
    function_call: _WireCall | None = None


class _WireContent(Record):
    parts: tuple[_WirePart, ...] | None = None


class _WireCandidate(Record):
    content: _WireContent | None = None
    finish_reason: str | None = None


class _WireFeedback(Record):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _WireUsage(Record):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None

    def usage(self) -> Usage:
        """Return it as ours, which counts thoughts as part of the answer."""
        thoughts = self.thoughts_token_count or 0
        return Usage(
            input_tokens=(self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0),
            output_tokens=(self.candidates_token_count or 0) + thoughts,
            reasoning_tokens=thoughts,
            cached_tokens=self.cached_content_token_count or 0,
            model_calls=1,
        )


class GeminiChunk(Record):
    """One event of a stream."""

    candidates: tuple[_WireCandidate, ...] | None = None
    prompt_feedback: _WireFeedback | None = None
    usage_metadata: _WireUsage | None = None

    @classmethod
    def read(cls, received: object) -> GeminiChunk:
        """Check what the SDK made of an event.

        Raises:
            ValidationError: it is no chunk.
        """
        return cls.model_validate(received, from_attributes=True)


class _Piece:
    """Text, thought or call in the making; what is signed is at its end."""

    def __init__(self, part: _WirePart) -> None:
        self.call = part.function_call
        self.is_thought = bool(part.thought)
        self.said: list[str] = []
        self.signature: str | None = None

    def takes(self, part: _WirePart) -> bool:
        """Return whether a part goes on with this piece: signed text is not to be joined with other text."""
        alike = self.call is None and part.function_call is None and self.is_thought == bool(part.thought)
        return alike and self.signature is None and part.thought_signature is None


class GeminiResponseBuilder(ResponseBuilder):
    """One response of the Gemini API."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        super().__init__(request, emit, tool_name=wire_function, output_tool=uses_output_tool(request))
        self._pieces: list[_Piece] = []
        self._finish: str | None = None
        self._blocked: str | None = None
        self._usage: _WireUsage | None = None

    def add(self, chunk: GeminiChunk) -> None:
        """Take the next chunk.

        Raises:
            ModelOutputInvalid: the answer is too long.
        """
        self._usage = chunk.usage_metadata or self._usage
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
            feedback = chunk.prompt_feedback
            self._blocked = feedback.block_reason_message or feedback.block_reason
        for candidate in (chunk.candidates or ())[:1]:
            self._finish = candidate.finish_reason or self._finish
            for part in (candidate.content.parts if candidate.content is not None else None) or ():
                self._add_part(part)

    def _add_part(self, part: _WirePart) -> None:
        if part.function_call is None and not part.text and part.thought_signature is None:
            return  # such as media, which nobody asked for
        if not self._pieces or not self._pieces[-1].takes(part):
            self._pieces.append(_Piece(part))
        piece = self._pieces[-1]
        if part.thought_signature is not None:
            piece.signature = base64.b64encode(part.thought_signature).decode()
        piece.said.append(part.text or "")
        self.emit_delta("thinking" if part.thought else "text", part.text or "")
        if part.function_call is not None and not self.is_output_tool(part.function_call.name or ""):
            self.emit_delta("tool_arguments", _written(part.function_call))

    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: no finish reason came (the stream was cut short, or was none), or the model stumbled.
            ContentRefused: the provider blocked the prompt, or all of the answer.
            ModelRequestRejected: Google misses a signature.
        """
        if self._finish is None:
            if self._blocked is not None:
                raise ContentRefused(f"Google blocked the prompt for {self._model}: {self._blocked}")
            raise self.incomplete_error()
        parts = [part for piece in self._pieces for part in self._parts(piece)]
        self._check(self._finish, said=has_content(parts))
        calls = any(isinstance(part, ToolCall) for part in parts)
        usage = self._usage.usage() if self._usage is not None else None
        return self.assemble(parts, self._stop(self._finish, calls=calls), usage)

    def _check(self, finish: str, *, said: bool) -> None:
        """Raise what an end that is no answer means."""
        if finish == "MISSING_THOUGHT_SIGNATURE":
            raise ModelRequestRejected(
                f"Google misses the thoughts behind earlier tool calls of {self._model} ({finish})"
            )
        if finish in _UNUSABLE or (finish == "OTHER" and not said):
            raise ModelUnavailable(f"{self._model} gave no usable answer ({finish})")
        if finish in _REFUSED and not said:
            raise ContentRefused(f"Google refused what {self._model} answered ({finish})")

    def _stop(self, finish: str, *, calls: bool) -> StopReason:
        if finish in _REFUSED:
            return "refusal"
        if finish in _LENGTH:
            return "length"
        return "tool_calls" if calls else "end"

    def _parts(self, piece: _Piece) -> Iterator[ContentPart]:
        text = "".join(piece.said)
        if piece.is_thought:
            yield ThinkingPart(text=text, provider=self.provider, signature=piece.signature)
            return
        if piece.signature is not None:
            signs = "tool_call" if piece.call is not None else "text" if text else "nothing"
            yield ThinkingPart(text="", provider=self.provider, signature=piece.signature, data={"signs": signs})
        if text:
            yield TextPart(text=text)
        if piece.call is not None:
            yield self.tool_call_part(piece.call.id or "", piece.call.name or "", _written(piece.call))


def _written(call: _WireCall) -> str:
    return json.dumps(call.args or {}, ensure_ascii=False)
