"""A deterministic model that needs no key: the lines of the task's input are its responses."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence

from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse, StopReason
from agentkit.llm.demo.planner_formats import final_action, is_plan, plan_text
from agentkit.llm.demo.script import DemoResponse, DemoScript, parse_script
from agentkit.llm.shared.http_status import status_error
from agentkit.llm.shared.usage_estimates import estimate_usage
from agentkit.messages import ContentPart, Message, TextPart, ThinkingPart, ToolResult
from agentkit.summarized_responses import summarized_responses

__all__ = ["DemoModel"]

_THINKING_WORDS = ("Let", "me", "think", "about", "this", "one", "step", "at", "a", "time.")
_MS_PER_WORD = 10
_EMPTY_ECHO = "There is nothing to echo: the input holds no text."
_SUMMARY_WORDS = 20
_WORD = re.compile(r"\S+\s*|\s+")


class DemoModel:
    """The ``demo`` provider. A response depends on the transcript alone, so any worker can give it.

    ``call NAME {json}`` calls tools (several joined by `` & ``), ``say TEXT`` finishes; ``think N`` and ``fail CODE
    [xN]`` modify the response that follows. After the last line, or at any other text, it finishes with the
    input's other text and the last tool results. With the planner ``plan`` the lines are its plan first; with ``react``
    it finishes by the action that does so. Asked for a summary of older messages, it quotes them.
    """

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        """Return the response of the next line, at once unless a ``think`` line delays it."""
        emit = emit or _ignore_delta
        if request.messages and request.messages[-1].asks_for_summary:
            return _finished(request, (TextPart(text=_summary(request.messages[-1].text)),), emit)
        script, index = _find_script(request.messages)
        plan = plan_text(request.output_schema, script.lines) if index == 0 else None
        if plan is not None:
            return _finished(request, (TextPart(text=plan),), emit)
        response = script.response(index)
        thinking = await _think(response.thinking_ms, emit)
        if failure := response.failure(request.attempt):
            raise status_error(failure.status, f"The input makes the demo model fail with {failure.status}")
        return _finished(request, _response_parts(response, script, request), emit, thinking)

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def _finished(
    request: ModelRequest, parts: Sequence[ContentPart], emit: Emit, thinking: Sequence[ContentPart] = ()
) -> ModelResponse:
    _emit_parts(parts, emit)
    message = Message(role="assistant", parts=(*thinking, *parts), model=request.model)
    stop: StopReason = "tool_calls" if message.tool_calls else "end"
    return ModelResponse(message=message, stop_reason=stop, usage=estimate_usage(request, message))


def _summary(record: str) -> str:
    """Return the summary of a record of older messages: its first and last words."""
    words = record.split()
    return f"In {len(words):,} words: {' '.join(words[:_SUMMARY_WORDS])} [...] {' '.join(words[-_SUMMARY_WORDS:])}"


def _ignore_delta(_: ModelDelta) -> None:
    """Do nothing."""


def _find_script(messages: Sequence[Message]) -> tuple[DemoScript, int]:
    """Return the script of the last user message, and how many of its lines have been responses; plans don't count."""
    responses: list[str] = []
    for message in reversed(messages):
        if message.role == "assistant":
            responses.append(message.text)
        elif message.role == "user" and message.source is None:
            script = parse_script(message.text)
            count = sum(not is_plan(text, script.lines) for text in responses)
            return script, count + summarized_responses(messages)
    return parse_script(""), len(responses)


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


def _response_parts(response: DemoResponse, script: DemoScript, request: ModelRequest) -> tuple[ContentPart, ...]:
    messages = request.messages
    if response.calls:
        response_number = 1 + sum(message.role == "assistant" for message in messages)
        return tuple(
            call.model_copy(update={"id": f"call_{response_number}_{number}"})
            for number, call in enumerate(response.calls, 1)
        )
    if response.text is not None:
        return (TextPart(text=final_action(request.output_schema, response.text)),)
    echo = "\n".join(filter(str.strip, [script.other_text, *_last_results(messages)])) or _EMPTY_ECHO
    return (TextPart(text=final_action(request.output_schema, echo)),)


def _last_results(messages: Sequence[Message]) -> list[str]:
    """Return the tool results after the last assistant message."""
    results: list[str] = []
    for message in reversed(messages):
        if message.role == "assistant":
            break
        if message.role == "user" and message.text.startswith("Observation ("):  # with the planner react
            results.insert(0, message.text)
        results[:0] = [part.content for part in message.parts if isinstance(part, ToolResult)]
    return results


def _emit_parts(parts: Sequence[ContentPart], emit: Emit) -> None:
    for part in parts:
        if isinstance(part, TextPart):
            for word in _WORD.findall(part.text):
                emit(ModelDelta("text", word))
        elif part.type == "tool_call":
            emit(ModelDelta("tool_arguments", part.malformed or json.dumps(part.arguments, ensure_ascii=False)))
