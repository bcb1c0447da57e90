"""Build a response from the chunks of Google's Gemini API."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from agentkit.errors import ContentRefused, ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.google.profile import gemini_tool_name, uses_output_tool
from agentkit.llm.shared.lenient_types import Count, Text
from agentkit.llm.shared.streams.received_text import ReceivedText
from agentkit.llm.shared.streams.response_builder import ResponseBuilder, has_content
from agentkit.messages import ContentPart, TextPart, ThinkingPart, ToolCall, Usage
from agentkit.records import Record

__all__ = ["GeminiChunk", "GeminiResponseBuilder"]

_UNUSABLE = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE"}
"""The model made a mistake that it may not repeat in a retry."""
_NO_FINISH_REASON = "FINISH_REASON_UNSPECIFIED"
_LENGTH = {"MAX_TOKENS", "CONTINUATION", "TOO_MANY_TOOL_CALLS"}
_REFUSED = {
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION", "PUP_LIMITED_DISABLED", "MODEL_ARMOR",
}  # fmt: skip


class _GeminiRecord(Record):
    """A value that the API sends, under names in camel case or snake case; null is the same as nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class _Call(_GeminiRecord):
    id: Text = ""
    name: Text = ""
    args: JsonValue = None

    @property
    def arguments_json(self) -> str:
        if self.args is None or isinstance(self.args, str):
            return self.args or "{}"
        return json.dumps(self.args, ensure_ascii=False)


class _Part(_GeminiRecord):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    """In base64, as it is sent back."""
    function_call: _Call | None = None


class _Content(_GeminiRecord):
    parts: tuple[_Part, ...] | None = None


class _Candidate(_GeminiRecord):
    content: _Content | None = None
    finish_reason: Text = ""


class _PromptFeedback(_GeminiRecord):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _GeminiUsage(_GeminiRecord):
    prompt_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None
    cached_content_token_count: Count = None

    def merged_over(self, earlier: _GeminiUsage | None) -> _GeminiUsage:
        """Return these counts, and those of ``earlier`` that are missing or zero here."""
        if earlier is None:
            return self
        return earlier.model_copy(update={key: value for key, value in self if value})

    def usage(self) -> Usage:
        """Return the usage in our terms: output tokens include thinking."""
        thinking = int(self.thoughts_token_count or 0)
        return Usage(
            input_tokens=int((self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0)),
            output_tokens=int(self.candidates_token_count or 0) + thinking,
            reasoning_tokens=thinking,
            cached_tokens=int(self.cached_content_token_count or 0),
            model_calls=1,
        )


class GeminiChunk(_GeminiRecord):
    """One chunk of a stream, or all of a response that is not streamed."""

    candidates: tuple[_Candidate, ...] | None = None
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: _GeminiUsage | None = None


class _OpenPart:
    """One or more received parts that become one: text, thinking or a call. A signature completes it."""

    def __init__(self, part: _Part) -> None:
        self.call = part.function_call
        self.is_thinking = bool(part.thought)
        self.signature: str | None = None
        self._text = ReceivedText()

    def accepts(self, part: _Part) -> bool:
        """Return whether a part continues this one: signed text must not be joined with other text."""
        has_call = self.call is not None or part.function_call is not None
        has_signature = self.signature is not None or part.thought_signature is not None
        return not has_call and not has_signature and self.is_thinking == bool(part.thought)

    def is_repeated_by(self, part: _Part) -> bool:
        """Return whether a part was received before: the same call, or the same text in several chunks."""
        if part.function_call is not None:
            return self.call is not None and bool(self.call.id) and self.call == part.function_call
        has_kind = self.call is None and self.is_thinking == bool(part.thought)
        return has_kind and self._text.is_repeated_by(part.text or "")

    def add(self, part: _Part) -> None:
        """Add the text and the signature of a part."""
        self._text.add(part.text or "")
        if part.thought_signature is not None:
            self.signature = part.thought_signature

    @property
    def text(self) -> str:
        """The text so far."""
        return str(self._text)


class GeminiResponseBuilder(ResponseBuilder):
    """One response of the Gemini API: the parts of its first candidate."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        super().__init__(request, emit, tool_name=gemini_tool_name, output_tool=uses_output_tool(request))
        self._parts: list[_OpenPart] = []
        self._finish_reason = ""
        self._has_ended = False
        self._block_reason: str | None = None
        self._usage: _GeminiUsage | None = None

    @property
    def part_count(self) -> int:
        """The number of texts, thoughts and calls so far."""
        return len(self._parts)

    def add(self, received: object) -> None:
        """Add the next chunk."""
        chunk = GeminiChunk.model_validate(received)
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata.merged_over(self._usage)
        feedback = chunk.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            self._block_reason = feedback.block_reason_message or feedback.block_reason
        for candidate in (chunk.candidates or ())[:1]:
            if candidate.finish_reason.upper() != _NO_FINISH_REASON:
                self._finish_reason = candidate.finish_reason.upper() or self._finish_reason
            for part in (candidate.content.parts if candidate.content is not None else None) or ():
                self._add_part(part)

    def add_complete(self, received: object) -> None:
        """Add the response of a server that doesn't stream, or one item of a list of chunks."""
        self.add(received)
        self.add_end()

    def add_end(self) -> None:
        """Take what was received for the complete response, if there is any."""
        self._has_ended = bool(self._parts)

    def _add_part(self, part: _Part) -> None:
        if part.function_call is None and not part.text and part.thought_signature is None:
            return  # media, for example, which were not requested
        if any(received.is_repeated_by(part) for received in self._parts):
            return
        if not self._parts or not self._parts[-1].accepts(part):
            self._parts.append(_OpenPart(part))
        self._parts[-1].add(part)
        self.count_chars(len(part.thought_signature or ""))
        self.emit_delta("thinking" if part.thought else "text", part.text or "")
        if part.function_call is not None:
            is_output = self.is_output_tool(part.function_call.name)
            self.emit_delta(None if is_output else "tool_arguments", part.function_call.arguments_json)

    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: neither a finish reason nor an end was received, or the response is unusable.
            ContentRefused: the provider blocked the prompt, or the complete response.
            ModelRequestRejected: a thought signature is missing in the request.
        """
        if not self._finish_reason and not self._has_ended:
            if self._block_reason is not None:
                raise ContentRefused(f"Google blocked the prompt for {self._model}: {self._block_reason}")
            raise self.incomplete_error()
        parts = [part for open_part in self._parts for part in self._content_parts(open_part)]
        self._check_finish_reason(self._finish_reason, is_empty=not has_content(parts))
        has_calls = any(isinstance(part, ToolCall) for part in parts)
        usage = self._usage.usage() if self._usage is not None else None
        return self.assemble(parts, _stop_reason(self._finish_reason, has_calls=has_calls), usage)

    def _check_finish_reason(self, reason: str, *, is_empty: bool) -> None:
        """Raise the error that a finish reason means, if any."""
        if reason == "MISSING_THOUGHT_SIGNATURE":
            raise ModelRequestRejected(
                f"Google misses the thought signatures of earlier tool calls of {self._model} ({reason})"
            )
        if reason in _UNUSABLE or (reason == "OTHER" and is_empty):
            raise ModelUnavailable(f"{self._model} gave no usable response ({reason})")
        if reason in _REFUSED and is_empty:
            raise ContentRefused(f"Google refused the response of {self._model} ({reason})")

    def _content_parts(self, part: _OpenPart) -> Iterator[ContentPart]:
        """Yield our parts: a signature becomes a thinking part before the part that it was received with."""
        if part.is_thinking:
            yield ThinkingPart(text=part.text, provider=self.provider, signature=part.signature)
            return
        if part.signature is not None:
            signs = "tool_call" if part.call is not None else "text" if part.text else "nothing"
            yield ThinkingPart(text="", provider=self.provider, signature=part.signature, data={"signs": signs})
        if part.text:
            yield TextPart(text=part.text)
        if part.call is not None:
            yield self.tool_call_part(part.call.id, part.call.name, part.call.arguments_json)


def _stop_reason(finish_reason: str, *, has_calls: bool) -> StopReason:
    if finish_reason in _REFUSED:
        return "refusal"
    if finish_reason in _LENGTH:
        return "length"
    return "tool_calls" if has_calls else "end"
