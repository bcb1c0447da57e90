"""The baseline: a common agent loop on Temporal, which passes the list of all messages to every model activity."""

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

ChatMessage = dict[str, Any]
"""A message in the format of OpenAI's API."""

_ACTIVITY_TIMEOUT = timedelta(minutes=10)


class BareTask(BaseModel):
    """A task of the baseline."""

    model: str
    instructions: str
    input: str


class BareModelRequest(BaseModel):
    """The argument of the model activity; its list of messages grows with every step."""

    model: str
    messages: list[ChatMessage]


class BareToolCall(BaseModel):
    """The argument of the tool activity."""

    name: str
    arguments: str


@workflow.defn
class BareLoop:
    """Request the model and call its tools, until it calls none."""

    @workflow.run
    async def run(self, task: BareTask) -> str:
        """Return the text of the last response."""
        messages: list[ChatMessage] = [
            {"role": "system", "content": task.instructions},
            {"role": "user", "content": task.input},
        ]
        while True:
            response = await workflow.execute_activity_method(
                BareActivities.request_model,
                BareModelRequest(model=task.model, messages=messages),
                start_to_close_timeout=_ACTIVITY_TIMEOUT,
            )
            messages.append(response)
            calls = response.get("tool_calls")
            if not calls:
                return str(response["content"])
            messages.extend(await asyncio.gather(*map(self._call, calls)))

    async def _call(self, call: ChatMessage) -> ChatMessage:
        result = await workflow.execute_activity_method(
            BareActivities.call_tool,
            BareToolCall(name=call["function"]["name"], arguments=call["function"]["arguments"]),
            start_to_close_timeout=_ACTIVITY_TIMEOUT,
        )
        return {"role": "tool", "tool_call_id": call["id"], "content": result}


class BareActivities:
    """The model and the tool: the same SDK and the same tool as for Opspawn."""

    def __init__(
        self, openai: AsyncOpenAI, tools: Sequence[ChatCompletionFunctionToolParam], result: str, *, lean: bool = False
    ) -> None:
        """Set up. ``lean`` passes the messages as ``extra_body``, as Opspawn does: the SDK doesn't convert them."""
        self._lean = lean
        self._openai = openai
        self._tools = tools
        self._result = result

    @activity.defn
    async def request_model(self, request: BareModelRequest) -> ChatMessage:
        """Send a streaming request to the model, and return its message."""
        text: list[str] = []
        calls: dict[int, ChatMessage] = {}
        messages = cast("list[ChatCompletionMessageParam]", request.messages)
        stream = await self._openai.chat.completions.create(
            model=request.model,
            messages=() if self._lean else messages,
            extra_body={"messages": messages} if self._lean else None,
            tools=self._tools,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            for choice in chunk.choices:
                text.append(choice.delta.content or "")
                for delta in choice.delta.tool_calls or ():
                    call = calls.setdefault(
                        delta.index, {"id": delta.id, "type": "function", "function": {"name": "", "arguments": ""}}
                    )
                    if delta.function:
                        call["function"]["name"] += delta.function.name or ""
                        call["function"]["arguments"] += delta.function.arguments or ""
        message: ChatMessage = {"role": "assistant", "content": "".join(text)}
        return {**message, "tool_calls": list(calls.values())} if calls else message

    @activity.defn
    async def call_tool(self, call: BareToolCall) -> str:
        """Call the tool."""
        json.loads(call.arguments)
        return self._result
