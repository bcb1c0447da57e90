"""A deterministic model that needs no key: the lines of the task's input are its responses."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence

from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse, StopReason
from agentkit.llm.demo.script import DemoResponse, DemoScript, parse_script
from agentkit.llm.shared.http_status import status_error
from agentkit.llm.shared.token_estimates import estimate_usage
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolResult

__all__ = ["DemoModel"]

_THINKING_WORDS = ("Let", "me", "think", "about", "this", "one", "step", "at", "a", "time.")
_MS_PER_WORD = 10
_EMPTY_ECHO = "There is nothing to echo: the input holds no text."
_WORD = re.compile(r"\S+\s*|\s+")


class DemoModel:
    """The ``demo`` provider. A response depends on the transcript alone, so any worker can give it.

    ``call NAME {json}`` calls tools (several joined by `` & ``), ``say TEXT`` finishes; ``think N`` and ``fail CODE
    [xN]`` modify the response that follows. After the last line, or at any other text, it finishes with the
    input's other text and the last tool results.
    """

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Return the response of the next line, at once unless a ``think`` line delays it."""
        emit = emit or _ignore_delta
        script, index = _find_script(request.messages)
        response = script.response(index)
        thinking = await _think(response.thinking_ms, emit)
        if failure := response.failure(request.attempt):
            raise status_error(failure.status, f"The input makes the demo model fail with {failure.status}")
        parts = _response_parts(response, script, request.messages)
        _emit_parts(parts, emit)
        message = Message(role="assistant", parts=(*thinking, *parts), model=request.model)
        stop: StopReason = "tool_calls" if response.calls else "end"
        return ModelResponse(message=message, stop_reason=stop, usage=estimate_usage(request, message))

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def _ignore_delta(_: ModelDelta) -> None:
    """Do nothing."""


def _find_script(messages: Sequence[Message]) -> tuple[DemoScript, int]:
    """Return the script in the last message of a person, and the number of responses since."""
    response_count = 0
    for message in reversed(messages):
        if message.role == "assistant":
            response_count += 1
        elif message.role == "user" and message.source != "planner":
            return parse_script(message.text), response_count
    return parse_script(""), response_count


async def _think(milliseconds: int, emit: Emit) -> tuple[ContentPart, ...]:
    """Emit a word every 10 ms for ``milliseconds``; return the thinking part, if there is one."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    words: list[str] = []
    for count in range(milliseconds // _MS_PER_WORD):
        word = _THINKING_WORDS[count % len(_THINKING_WORDS)]
        words.append(word if count == 0 else f" {word}")
        emit(ModelDelta("thinking", words[-1]))
        await asyncio.sleep(start + (count + 1) * _MS_PER_WORD / 1000 - loop.time())
    await asyncio.sleep(start + milliseconds / 1000 - loop.time())
    return (ThinkingPart(text="".join(words), provider="demo"),) if words else ()


def _response_parts(response: DemoResponse, script: DemoScript, messages: Sequence[Message]) -> tuple[ContentPart, ...]:
    if response.calls:
        response_number = 1 + sum(message.role == "assistant" for message in messages)
        return tuple(
            call.model_copy(update={"id": f"call_{response_number}_{number}"})
            for number, call in enumerate(response.calls, 1)
        )
    if response.text is not None:
        return (TextPart(text=response.text),)
    echo = [script.other_text, *_last_results(messages)]
    return (TextPart(text="\n".join(filter(str.strip, echo)) or _EMPTY_ECHO),)


def _last_results(messages: Sequence[Message]) -> list[str]:
    """Return the tool results after the last assistant message."""
    results: list[str] = []
    for message in reversed(messages):
        if message.role == "assistant":
            break
        results[:0] = [part.content for part in message.parts if isinstance(part, ToolResult)]
    return results


def _emit_parts(parts: Sequence[ContentPart], emit: Emit) -> None:
    for part in parts:
        if isinstance(part, TextPart):
            for word in _WORD.findall(part.text):
                emit(ModelDelta("text", word))
        elif part.type == "tool_call":
            emit(ModelDelta("tool_arguments", part.malformed or json.dumps(part.arguments, ensure_ascii=False)))
