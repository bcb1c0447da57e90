"""An answer of an OpenAI-like API as it grows: what both of its APIs do alike."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.errors import ContentRefused, ModelUnavailable
from agentkit.interfaces import Emit, ModelRequest, ModelResponse, StopReason
from agentkit.llm.openai.profile import wire_name
from agentkit.llm.shared.delta_stream import Telling
from agentkit.llm.shared.surrogates import whole, whole_json
from agentkit.llm.shared.token_estimates import estimated_usage
from agentkit.llm.shared.tool_arguments import read_object
from agentkit.messages import ContentPart, Message, ThinkingPart, ToolCall, Usage

__all__ = ["Output"]


class Output(Telling):
    """Passes on what a model says, and puts the whole of it into our words."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        super().__init__(request, emit)
        self._request = request
        self._names = {wire_name(tool.name): tool.name for tool in request.tools}

    @property
    def provider(self) -> str:
        """Who is asked."""
        return self._request.model.partition(":")[0]

    def call(self, call_id: str, name: str, written: str) -> ToolCall:
        """Return a tool call under the tool's own name, with its arguments read."""
        written = whole(written)
        arguments = read_object(written)
        return ToolCall(
            id=call_id,
            name=self._names.get(name, name),
            arguments=arguments or {},
            malformed=written if arguments is None else None,
        )

    def cut_off(self) -> ModelUnavailable:
        """Return the error for an answer that stopped before its end."""
        what = "was cut off in the middle" if self.begun else "was no answer at all"
        return ModelUnavailable(f"What {self._request.model} sent {what}: no finish reason came")

    def response(
        self, parts: Sequence[ContentPart], stop: StopReason, usage: Usage | None, served_by: str | None = None
    ) -> ModelResponse:
        """Return the whole answer; its usage is estimated where the provider counts nothing.

        Raises:
            ContentRefused: the provider's filter left nothing.
        """
        if stop == "refusal" and not any(part.type in ("text", "tool_call") for part in parts):
            raise ContentRefused(f"The content filter of {self._request.model} left nothing of the answer")
        message = Message(role="assistant", parts=tuple(map(_whole, parts)), model=self._request.model)
        spent = usage or estimated_usage(self._request, message)
        return ModelResponse(message=message, stop_reason=stop, usage=spent, served_by=served_by)


def _whole(part: ContentPart) -> ContentPart:
    """Return a part of an answer with whole characters only, which is all that Temporal takes."""
    said = {name: value for name, value in part if isinstance(value, str)}
    mended: dict[str, object] = {name: whole(value) for name, value in said.items()}
    if isinstance(part, ThinkingPart):
        mended["data"] = whole_json(part.data)
    return part.model_copy(update=mended)
