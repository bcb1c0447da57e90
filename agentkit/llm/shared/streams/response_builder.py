"""Build a ``ModelResponse`` from a provider's stream, and emit its deltas as they arrive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from pydantic import JsonValue

from agentkit.errors import ContentRefused, ModelOutputInvalid, ModelUnavailable
from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse, StopReason
from agentkit.llm.shared.identifiers import provider_tool_name
from agentkit.llm.shared.output_tool import OUTPUT_TOOL, output_part
from agentkit.llm.shared.streams.think_tags import ThinkTagSplitter, split_think_tags
from agentkit.llm.shared.surrogates import ends_with_high_surrogate, repair_json_surrogates, repair_surrogates
from agentkit.llm.shared.tool_arguments import parse_arguments
from agentkit.llm.shared.usage_estimates import estimate_usage
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolCall, Usage

__all__ = ["MAX_OUTPUT_CHARS", "DeltaKind", "ResponseBuilder", "has_content"]

DeltaKind = Literal["text", "thinking", "tool_arguments"]

MAX_OUTPUT_CHARS = 1_048_576
"""A longer response is a model that doesn't stop; it is cut off."""


class ResponseBuilder(ABC):
    """One response while it is received. A provider's subclass implements the rest."""

    def __init__(
        self,
        request: ModelRequest,
        emit: Emit | None,
        *,
        tool_name: Callable[[str], str] = provider_tool_name,
        output_tool: bool = False,
    ) -> None:
        """Start with nothing received.

        Args:
            request: what was sent.
            emit: receives the deltas; None for nothing.
            tool_name: maps a tool's name to the one that was sent.
            output_tool: whether the request's output schema was sent as a tool.
        """
        self._request = request
        self._model = request.model
        self._emit = emit
        self._char_count = 0
        self._high_surrogate = ""
        """The first half of a surrogate pair, held back until the next delta brings the second."""
        self._think_tags = ThinkTagSplitter()
        self._tool_names = {tool_name(tool.name): tool.name for tool in request.tools}
        self._output_schema = request.output_schema if output_tool else None
        self._output: TextPart | None = None
        """What a call of the output tool contained."""

    @property
    def has_output(self) -> bool:
        """Whether the model has sent any text, thinking or arguments yet."""
        return self._char_count > 0

    @property
    def part_count(self) -> int:
        """The number of texts, thoughts and calls so far, as far as the provider's API keeps them apart."""
        return 0

    @property
    def content_count(self) -> int:
        """A number that grows with each text, thought or call, and with each character of them."""
        return self._char_count + self.part_count

    @property
    def is_thinking(self) -> bool:
        """Whether the model may be thinking without sending anything, as far as the provider's API shows that."""
        return False

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self._model.partition(":")[0]

    @abstractmethod
    def add(self, received: object) -> None:
        """Add the next event of the stream, as parsed JSON.

        Raises:
            ProviderStreamError: the provider reports an error.
            ModelOutputInvalid: the response is too long.
            ValidationError: it is no event of this API.
        """

    @abstractmethod
    def add_complete(self, received: object) -> None:
        """Add the response of a server that doesn't stream, as parsed JSON; raises like ``add``."""

    @abstractmethod
    def add_end(self) -> None:
        """Add ``[DONE]``: what was received is the complete response, if there is any."""

    @abstractmethod
    def build(self) -> ModelResponse:
        """Return the complete response.

        Raises:
            ModelUnavailable: the stream ended too early.
            ContentRefused: the provider's filter left nothing.
        """

    def emit_delta(self, kind: DeltaKind | None, text: str) -> None:
        """Emit the next delta; with None it only counts towards the limit. Thinking in tags is emitted as thinking.

        Raises:
            ModelOutputInvalid: the response is too long.
        """
        if not text:
            return
        self.count_chars(len(text))
        if kind == "text":
            self._emit_all(self._think_tags.add(text))
        elif kind is not None:
            if kind == "tool_arguments":
                self._emit_all(self._think_tags.end())
            self._emit_all([(kind, text)])

    def count_chars(self, count: int) -> None:
        """Count characters that are not emitted, such as those of signatures.

        Raises:
            ModelOutputInvalid: the response is too long.
        """
        self._char_count += count
        if self._char_count > MAX_OUTPUT_CHARS:
            raise ModelOutputInvalid(f"{self._model} wrote more than {MAX_OUTPUT_CHARS:,} characters and was cut off")

    def _emit_all(self, deltas: Iterable[tuple[DeltaKind, str]]) -> None:
        if self._emit is None:
            return
        for kind, delta in deltas:
            text = self._high_surrogate + delta
            self._high_surrogate = text[-1] if ends_with_high_surrogate(text) else ""
            if valid := text.removesuffix(self._high_surrogate):
                self._emit(ModelDelta(kind, repair_surrogates(valid)))

    def tool_call(self, call_id: str, sent_name: str, arguments_json: str) -> ToolCall:
        """Return a tool call under the tool's own name, with its arguments parsed."""
        arguments_json = repair_surrogates(arguments_json)
        arguments = parse_arguments(arguments_json)
        return ToolCall(
            id=call_id,
            name=self._tool_names.get(sent_name, sent_name),
            arguments=arguments or {},
            malformed=arguments_json if arguments is None else None,
        )

    def is_output_tool(self, sent_name: str) -> bool:
        """Return whether a call of this tool is the final output."""
        return self._output_schema is not None and sent_name == OUTPUT_TOOL

    def tool_call_part(self, call_id: str, sent_name: str, arguments_json: str) -> ContentPart:
        """Return a tool call; a call of the output tool becomes text, which is emitted here."""
        call = self.tool_call(call_id, sent_name, arguments_json)
        if self._output_schema is None or not self.is_output_tool(sent_name):
            return call
        self._output = output_part(call, self._output_schema)
        self._emit_all([*self._think_tags.end(), ("text", self._output.text)])
        return self._output

    def incomplete_error(self) -> ModelUnavailable:
        """Return the error for a stream that ended before the response did."""
        problem = "was cut off in the middle" if self.has_output else "was no response at all"
        return ModelUnavailable(f"What {self._model} sent {problem}: no finish reason came")

    def assemble(
        self, parts: Sequence[ContentPart], stop: StopReason, usage: Usage | None, served_by: str | None = None
    ) -> ModelResponse:
        """Return a response of these parts; counts of tokens that the provider did not send are estimated.

        Thinking in tags before the text becomes a part of its own. A call that ends in the middle, at the output limit
        of the request, has the stop reason ``length``, whatever the server sent.

        Raises:
            ContentRefused: the provider's filter left nothing.
        """
        self._emit_all(self._think_tags.end())
        parts = [*self._without_think_tags(self._only_output(parts))]
        if stop == "refusal" and not has_content(parts):
            raise ContentRefused(f"The content filter of {self._model} left nothing of the response")
        message = Message(role="assistant", parts=tuple(map(_repair_part, parts)), model=self._model)
        usage = self._with_estimates(usage, message)
        if self._is_cut_off(message, usage):
            stop = "length"
        return ModelResponse(message=message, stop_reason=stop, usage=usage, served_by=served_by)

    def _only_output(self, parts: Sequence[ContentPart]) -> Sequence[ContentPart]:
        """Return the parts without any text beside the output, if the output tool was called and no other."""
        if self._output is None or any(isinstance(part, ToolCall) for part in parts):
            return parts
        return [part for part in parts if part is self._output or not isinstance(part, TextPart)]

    def _without_think_tags(self, parts: Iterable[ContentPart]) -> Iterator[ContentPart]:
        """Yield the parts, with the thinking at the beginning of the first text as a part of its own."""
        is_first_text = True
        for part in parts:
            if not isinstance(part, TextPart) or not is_first_text:
                yield part
                continue
            is_first_text = False
            tagged = split_think_tags(part.text)
            if not tagged.closing_tag:
                yield part
                continue
            tags: JsonValue = {"tags": [tagged.opening_tag, tagged.closing_tag]}
            yield ThinkingPart(text=tagged.thinking, provider=self.provider, data=tags)
            if tagged.text:
                yield TextPart(text=tagged.text)

    def _with_estimates(self, usage: Usage | None, message: Message) -> Usage:
        if usage is not None and usage.input_tokens and usage.output_tokens:
            return usage
        estimate = estimate_usage(self._request, message)
        if usage is None:
            return estimate
        input_tokens = usage.input_tokens or estimate.input_tokens
        output_tokens = usage.output_tokens or estimate.output_tokens
        return usage.model_copy(update={"input_tokens": input_tokens, "output_tokens": output_tokens})

    def _is_cut_off(self, message: Message, usage: Usage) -> bool:
        """Return whether the last call is incomplete and the output limit of the request is reached."""
        limit = self._request.settings.max_output_tokens
        calls = message.tool_calls
        return limit is not None and usage.output_tokens >= limit and bool(calls) and calls[-1].malformed is not None


def has_content(parts: Sequence[ContentPart]) -> bool:
    """Return whether there is any text or tool call among the parts."""
    return any(part.type in ("text", "tool_call") for part in parts)


def _repair_part(part: ContentPart) -> ContentPart:
    """Return a part whose text is valid Unicode."""
    repaired: dict[str, object] = {name: repair_surrogates(value) for name, value in part if isinstance(value, str)}
    if isinstance(part, ThinkingPart):
        repaired["data"] = repair_json_surrogates(part.data)
    return part.model_copy(update=repaired)
