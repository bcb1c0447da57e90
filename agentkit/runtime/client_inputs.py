"""What MCP servers ask for during a call: a person's input (elicitation), a model's message (sampling), the roots."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import JsonValue

from agentkit.errors import ModelError
from agentkit.input_requests import InputRequest
from agentkit.interfaces import ClientInput, ClientInputRequest, ModelResponse
from agentkit.messages import ToolCall, Usage
from agentkit.runtime.call_effects import CallEffects
from agentkit.runtime.sampling import SamplingInvalid, SamplingRequest, read_sampling_request, sampling_result
from agentkit.runtime.tool_results import bounded
from agentkit.specs import ToolSpec

__all__ = ["MAX_INPUT_ROUNDS", "ClientInputRules", "ClientInputs"]

MAX_INPUT_ROUNDS = 20
"""How often a call may be resumed with further input."""

_MAX_MESSAGE_CHARS = 2_000
_MAX_SCHEMA_BYTES = 32_000
_YES: Mapping[str, JsonValue] = {"type": "boolean", "const": True, "title": "Done", "description": "I have done so."}
_ALLOW: Mapping[str, JsonValue] = {"type": "boolean", "title": "Allow"}


class ClientInputRules(Protocol):
    """The limits and the usage of the task that a call belongs to."""

    @property
    def model(self) -> str:
        """The model in use: ``provider:name``."""
        ...

    def reached_limit(self) -> str | None:
        """Return which limit the task has reached, as a clause for people; None: none."""
        ...

    def add_usage(self, usage: Usage) -> None:
        """Count a model's response that is not part of the transcript."""
        ...


class ClientInputs:
    """Obtains the input that servers ask for during the calls of one step.

    A server's texts are data: a person reads them as the server's, and no policy changes by them.
    """

    def __init__(self, rules: ClientInputRules, effects: CallEffects, step: int) -> None:
        self._rules = rules
        self._effects = effects
        self._step = step

    async def obtain_all(
        self, call: ToolCall, tool: ToolSpec, requests: Sequence[ClientInputRequest]
    ) -> list[ClientInput]:
        """Return the input for each request, obtained at the same time; an exception of one ends the others first."""
        tasks = [asyncio.ensure_future(self.obtain(call, tool, request)) for request in requests]
        try:
            return await asyncio.gather(*tasks)
        except (asyncio.CancelledError, Exception):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def obtain(self, call: ToolCall, tool: ToolSpec, request: ClientInputRequest) -> ClientInput:
        """Return the input for a request.

        Raises:
            InputRequestExpired: nobody answered in time, and the task is to fail then.
        """
        match request.method:
            case "elicitation/create":
                return await self._elicit(call, tool, request.params)
            case "sampling/createMessage":
                return await self._sample(call, tool, request.params)
            case "roots/list":
                return ClientInput(result={"roots": []})

    async def _elicit(self, call: ToolCall, tool: ToolSpec, params: Mapping[str, JsonValue]) -> ClientInput:
        """Ask a person to fill in a form, or to open a page."""
        message, is_page = str(params.get("message") or ""), params.get("mode") == "url"
        schema = dict(_YES) if is_page else params.get("requestedSchema")
        if not isinstance(schema, dict) or len(json.dumps(schema)) > _MAX_SCHEMA_BYTES:
            return ClientInput(error=f"The form must be a JSON Schema of {_MAX_SCHEMA_BYTES:,} bytes at most.")
        if is_page:
            message = f"{message} Open this page only if you trust the server: {params.get('url')}"
        answer = await self._effects.ask(self._request(call, tool, f"asks: {message}", schema))
        if answer.decision != "answer":
            return ClientInput(result={"action": "decline"})
        return ClientInput(result={"action": "accept", **({} if is_page else {"content": answer.answer})})

    async def _sample(self, call: ToolCall, tool: ToolSpec, params: Mapping[str, JsonValue]) -> ClientInput:
        """Ask the task's model, if the settings of the server or a person allow it."""
        if tool.sampling not in ("ask", "allow"):
            return ClientInput(error='This server may not ask the model. In mcp.json, its "sampling" is "deny".')
        try:
            sampling = read_sampling_request(params)
        except SamplingInvalid as error:
            return ClientInput(error=str(error))
        if (reached := self._rules.reached_limit()) is not None:
            return ClientInput(error=f"The task has reached a limit: {reached}.")
        if tool.sampling == "ask" and not await self._is_sampling_allowed(call, tool, sampling):
            return ClientInput(error="A person did not allow that the server asks the model.")
        try:
            response: ModelResponse = await self._effects.sample(sampling)
        except ModelError as error:
            return ClientInput(error=f"The model gave no response: {error}")
        self._rules.add_usage(response.usage)
        return ClientInput(result=sampling_result(response, self._rules.model))

    async def _is_sampling_allowed(self, call: ToolCall, tool: ToolSpec, sampling: SamplingRequest) -> bool:
        text = (
            f"wants to ask the model {self._rules.model}, for {sampling.max_tokens} tokens at most: "
            f"{sampling.messages[-1].text if sampling.messages else ''}"
        )
        answer = await self._effects.ask(self._request(call, tool, text, dict(_ALLOW)))
        return answer.decision == "answer" and answer.answer is True

    def _request(self, call: ToolCall, tool: ToolSpec, text: str, schema: dict[str, JsonValue]) -> InputRequest:
        server = tool.mcp.server if tool.mcp else tool.name
        return InputRequest(
            id=self._effects.next_request_id(),
            kind="elicitation",
            step=self._step,
            call_id=call.id,
            tool=tool.name,
            message=bounded(f"MCP server {server} {text}", _MAX_MESSAGE_CHARS),
            answer_schema=schema,
            opened_at=self._effects.now(),
        )
