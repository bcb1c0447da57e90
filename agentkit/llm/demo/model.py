"""A deterministic stand-in for a language model: it does what the lines of the task's input say, and needs no key."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence

from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse, StopReason
from agentkit.llm.demo.script import Response, Script, parse_script
from agentkit.llm.shared.http_status import status_error
from agentkit.llm.shared.token_estimates import estimate_usage
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolResult

__all__ = ["DemoModel"]

_WORDS = ("Let", "me", "think", "about", "this", "one", "step", "at", "a", "time.")
_MS_PER_WORD = 10
_NOTHING = "There is nothing to echo: the input holds no text."
_WORD = re.compile(r"\S+\s*|\s+")


class DemoModel:
    """The ``demo`` provider. Which line it answers follows from the transcript alone, so it may run anywhere.

    ``call NAME {json}`` calls tools (several joined by `` & ``), ``say TEXT`` finishes; ``think N`` and ``fail CODE
    [xN]`` modify the response that follows. When the lines run out, or at any other text, it finishes with the
    input's other text and the last tool results.
    """

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Give the response of the next line; it takes no time but what ``think`` says."""
        emit = emit or _nowhere
        script, place = _find_script(request.messages)
        response = script.response(place)
        thought = await _think(response.thinks, emit)
        if failure := response.failure(request.attempt):
            raise status_error(failure.status, f"The demo model was told to fail with {failure.status}")
        parts = thought + _answer(response, script, request.messages)
        _stream(parts[len(thought) :], emit)
        message = Message(role="assistant", parts=parts, model=request.model)
        stop: StopReason = "tool_calls" if response.calls else "end"
        return ModelResponse(message=message, stop_reason=stop, usage=estimate_usage(request, message))

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def _nowhere(_: ModelDelta) -> None:
    """Take a delta that nobody wants."""


def _find_script(messages: Sequence[Message]) -> tuple[Script, int]:
    """Return the script of what a person said last, and how many of its responses were given."""
    given = 0
    for message in reversed(messages):
        if message.role == "assistant":
            given += 1
        elif message.role == "user" and message.source != "planner":
            return parse_script(message.text), given
    return parse_script(""), given


async def _think(milliseconds: int, emit: Emit) -> tuple[ContentPart, ...]:
    """Take that long, a word every 10 ms; return the thought."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    thought: list[str] = []
    for count in range(milliseconds // _MS_PER_WORD):
        word = _WORDS[count % len(_WORDS)] if count == 0 else f" {_WORDS[count % len(_WORDS)]}"
        thought.append(word)
        emit(ModelDelta("thinking", word))
        await asyncio.sleep(start + (count + 1) * _MS_PER_WORD / 1000 - loop.time())
    await asyncio.sleep(start + milliseconds / 1000 - loop.time())
    return (ThinkingPart(text="".join(thought), provider="demo"),) if thought else ()


def _answer(response: Response, script: Script, messages: Sequence[Message]) -> tuple[ContentPart, ...]:
    if response.calls:
        number = 1 + sum(message.role == "assistant" for message in messages)
        return tuple(
            call.model_copy(update={"id": f"call_{number}_{place}"}) for place, call in enumerate(response.calls, 1)
        )
    if response.text is not None:
        return (TextPart(text=response.text),)
    said = [script.other_text, *_last_results(messages)]
    return (TextPart(text="\n".join(filter(str.strip, said)) or _NOTHING),)


def _last_results(messages: Sequence[Message]) -> list[str]:
    """Return the results that followed the last assistant message."""
    results: list[str] = []
    for message in reversed(messages):
        if message.role == "assistant":
            break
        results[:0] = [part.content for part in message.parts if isinstance(part, ToolResult)]
    return results


def _stream(parts: Sequence[ContentPart], emit: Emit) -> None:
    for part in parts:
        if isinstance(part, TextPart):
            for word in _WORD.findall(part.text):
                emit(ModelDelta("text", word))
        elif part.type == "tool_call":
            emit(ModelDelta("tool_arguments", part.malformed or json.dumps(part.arguments, ensure_ascii=False)))
