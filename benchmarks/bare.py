"""The yardstick: an agent loop on Temporal as most write it, with the whole list of messages in every model call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
    from pydantic import BaseModel

__all__ = ["BareActivities", "BareLoop", "BareTask"]

WireMessage = dict[str, Any]
"""A message in OpenAI's words."""

_TIMEOUT = timedelta(minutes=10)


class BareTask(BaseModel):
    """What to do."""

    model: str
    instructions: str
    input: str


class Prompt(BaseModel):
    """All that the model is asked: the list grows with every step."""

    model: str
    messages: list[WireMessage]


class Call(BaseModel):
    """A tool call."""

    name: str
    arguments: str


@workflow.defn
class BareLoop:
    """Ask the model, call its tools, until it calls none."""

    @workflow.run
    async def run(self, task: BareTask) -> str:
        """Return the model's last words."""
        messages: list[WireMessage] = [
            {"role": "system", "content": task.instructions},
            {"role": "user", "content": task.input},
        ]
        while True:
            answer = await workflow.execute_activity_method(
                BareActivities.ask,
                Prompt(model=task.model, messages=messages),
                start_to_close_timeout=_TIMEOUT,
            )
            messages.append(answer)
            calls = answer.get("tool_calls")
            if not calls:
                return str(answer["content"])
            messages.extend(await asyncio.gather(*map(self._call, calls)))

    async def _call(self, call: WireMessage) -> WireMessage:
        result = await workflow.execute_activity_method(
            BareActivities.call_tool,
            Call(name=call["function"]["name"], arguments=call["function"]["arguments"]),
            start_to_close_timeout=_TIMEOUT,
        )
        return {"role": "tool", "tool_call_id": call["id"], "content": result}


class BareActivities:
    """The model and the tool, by the same SDK and with the same tool."""

    def __init__(
        self, openai: AsyncOpenAI, tools: Sequence[ChatCompletionFunctionToolParam], result: str, *, lean: bool = False
    ) -> None:
        """Set up; ``lean`` gives the SDK the messages in a way that spares it a walk over each, as Opspawn does."""
        self._lean = lean
        self._openai = openai
        self._tools = tools
        self._result = result

    @activity.defn
    async def ask(self, prompt: Prompt) -> WireMessage:
        """Ask the model, streaming, and return its message."""
        text: list[str] = []
        calls: dict[int, WireMessage] = {}
        messages = cast("list[ChatCompletionMessageParam]", prompt.messages)
        stream = await self._openai.chat.completions.create(
            model=prompt.model,
            messages=() if self._lean else messages,
            extra_body={"messages": messages} if self._lean else None,
            tools=self._tools,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            for choice in chunk.choices:
                text.append(choice.delta.content or "")
                for piece in choice.delta.tool_calls or ():
                    call = calls.setdefault(
                        piece.index, {"id": piece.id, "type": "function", "function": {"name": "", "arguments": ""}}
                    )
                    if piece.function:
                        call["function"]["name"] += piece.function.name or ""
                        call["function"]["arguments"] += piece.function.arguments or ""
        answer: WireMessage = {"role": "assistant", "content": "".join(text)}
        return {**answer, "tool_calls": list(calls.values())} if calls else answer

    @activity.defn
    async def call_tool(self, call: Call) -> str:
        """Call the tool."""
        json.loads(call.arguments)
        return self._result
