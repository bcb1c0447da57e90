"""A ``Model`` in memory that gives the responses of a script."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

from agentkit.errors import ModelRequestRejected
from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolCall, Usage
from agentkit.summarized_responses import summarized_responses

__all__ = ["ModelScript", "ScriptedModel", "ScriptedResponse"]

ScriptedResponse = str | ToolCall | Sequence[ToolCall] | Message | ModelResponse | Exception
"""Text, tool calls, a message, a complete response, or an error to raise."""

ModelScript = Callable[[ModelRequest], Awaitable[ScriptedResponse]]
"""Returns the response to a request; it may wait first, such as for an event of the test."""


class ScriptedModel:
    """A model that gives scripted responses and keeps the requests.

    The script is a sequence of responses, given in order, or an async function from request to response::

        model = ScriptedModel([ToolCall(id="1", name="clock"), "It is noon."])
        ...
        assert model.requests[1].messages[-1].role == "tool"
    """

    def __init__(self, script: Sequence[ScriptedResponse] | ModelScript) -> None:
        self._script = script if callable(script) else self._in_order(script)
        self.requests: list[ModelRequest] = []
        """All requests so far."""
        self.closed = False
        """Whether ``aclose`` was called."""

    @classmethod
    def by_step(cls, responses: Sequence[ScriptedResponse]) -> ScriptedModel:
        """Return a model that responds by the number of assistant messages: for parallel tasks and for repeats.

        Those count that a summary stands for. Asked for a summary, it gives one.
        """

        async def respond(request: ModelRequest) -> ScriptedResponse:
            if request.messages and request.messages[-1].asks_for_summary:
                return "What was done."
            count = sum(message.role == "assistant" for message in request.messages)
            return _at(responses, count + summarized_responses(request.messages))

        return cls(respond)

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Return the next response, or raise it."""
        self.requests.append(request)
        scripted = await self._script(request)
        if isinstance(scripted, Exception):
            raise scripted
        response = _as_response(scripted, request.model)
        if emit is not None:
            for part in response.message.parts:
                _emit_part(part, emit)
        return response

    async def aclose(self) -> None:
        """Set ``closed``."""
        self.closed = True

    def _in_order(self, responses: Sequence[ScriptedResponse]) -> ModelScript:
        async def respond(_: ModelRequest) -> ScriptedResponse:
            return _at(responses, len(self.requests) - 1)

        return respond


def _at(responses: Sequence[ScriptedResponse], index: int) -> ScriptedResponse:
    if index < len(responses):
        return responses[index]
    return ModelRequestRejected(f"The script has no response number {index}, counted from 0")


def _as_response(scripted: str | ToolCall | Sequence[ToolCall] | Message | ModelResponse, model: str) -> ModelResponse:
    match scripted:
        case ModelResponse():
            return scripted
        case Message():
            message = scripted
        case str():
            message = Message(role="assistant", parts=(TextPart(text=scripted),), model=model)
        case ToolCall():
            message = Message(role="assistant", parts=(scripted,), model=model)
        case _:
            message = Message(role="assistant", parts=tuple(scripted), model=model)
    usage = Usage(input_tokens=10, output_tokens=5, model_calls=1)
    return ModelResponse(message=message, stop_reason="tool_calls" if message.tool_calls else "end", usage=usage)


def _emit_part(part: ContentPart, emit: Emit) -> None:
    match part:
        case TextPart():
            emit(ModelDelta("text", part.text))
        case ThinkingPart():
            emit(ModelDelta("thinking", part.text))
        case ToolCall():
            emit(ModelDelta("tool_arguments", part.malformed or json.dumps(part.arguments)))
