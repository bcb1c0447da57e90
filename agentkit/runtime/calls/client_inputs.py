"""What MCP servers ask for during a call: a person's input (elicitation), a model's message (sampling), the roots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import JsonValue

from agentkit.errors import ModelError, OpspawnError
from agentkit.input_requests import INTERRUPTION, InputRequest, InputRequestKind
from agentkit.interfaces import ClientInput, ClientInputRequest, ModelResponse
from agentkit.messages import ToolCall, Usage
from agentkit.runtime.calls.call_effects import CallEffects
from agentkit.runtime.calls.elicitation import ElicitationInvalid, fits_protocol, read_elicitation
from agentkit.runtime.calls.sampling import (
    SAMPLING_METHOD,
    SamplingInvalid,
    SamplingRequest,
    read_sampling_request,
    sampling_result,
    shown_sampling,
)
from agentkit.runtime.calls.tool_results import bounded
from agentkit.runtime.concurrency import gather_or_cancel
from agentkit.specs import ToolSpec

__all__ = [
    "MAX_CALL_REQUESTS",
    "MAX_INPUT_ROUNDS",
    "MAX_REQUESTS_AT_ONCE",
    "ROOTS",
    "ClientInputMissing",
    "ClientInputRules",
    "ClientInputs",
]

MAX_INPUT_ROUNDS = 20
"""How often a call may be resumed with further input."""

MAX_REQUESTS_AT_ONCE = 20
"""How much a call may ask for at the same time: lists show as many requests."""

MAX_CALL_REQUESTS = 100
"""What a server of an older protocol may ask during one call: each request stands in history."""

ROOTS = ClientInput(result={"roots": []})
"""The directories that servers may use: none, for a task has no directory that outlives its calls."""

_MAX_MESSAGE_CHARS = 2_000


class ClientInputMissing(OpspawnError):
    """There is no input for a server's request; the message has the reason, for the model."""


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
    ) -> dict[str, dict[str, JsonValue]]:
        """Return the input for each request by its key, obtained at the same time; a failure ends the others first.

        Raises:
            ClientInputMissing: there is none for one of them, or there are too many.
            InputRequestExpired: nobody answered in time, and the task is to fail then.
        """
        if len(requests) > MAX_REQUESTS_AT_ONCE:
            raise ClientInputMissing(
                f"It asked for {len(requests):,} things at once; {MAX_REQUESTS_AT_ONCE} are taken."
            )
        results = await gather_or_cancel(self._result(call, tool, request) for request in requests)
        return {request.key: result for request, result in zip(requests, results, strict=True)}

    async def _result(self, call: ToolCall, tool: ToolSpec, request: ClientInputRequest) -> dict[str, JsonValue]:
        given = await self.obtain(call, tool, request)
        if given.error is not None:
            raise ClientInputMissing(given.error)
        return given.result or {}

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
                return ROOTS

    async def _elicit(self, call: ToolCall, tool: ToolSpec, params: Mapping[str, JsonValue]) -> ClientInput:
        """Ask a person to fill in a form, or to open a page."""
        try:
            elicitation = read_elicitation(params)
        except ElicitationInvalid as error:
            return ClientInput(error=str(error))
        asks = "asks" if elicitation.url is None else "asks you to open a page"
        request = self._request("elicitation", call, tool, f"{asks}: {elicitation.message}")
        update = {"tool": tool.name, "answer_schema": elicitation.form, "url": elicitation.url}
        answer = await self._effects.ask(request.model_copy(update=update))
        if answer.decision != "answer":
            return ClientInput(result={"action": "cancel" if answer.answered_by == INTERRUPTION else "decline"})
        if elicitation.form is None:
            return ClientInput(result={"action": "accept"})
        if not fits_protocol(answer.answer):
            return ClientInput(error="The answer has fields that are no texts, numbers, booleans or lists of texts.")
        return ClientInput(result={"action": "accept", "content": answer.answer})

    async def _sample(self, call: ToolCall, tool: ToolSpec, params: Mapping[str, JsonValue]) -> ClientInput:
        """Ask the task's model, if the settings of the server or a person allow it."""
        if tool.sampling not in ("ask", "allow"):
            return ClientInput(error='This server may not ask the model. In mcp.json, its "sampling" is "deny".')
        try:
            sampling = read_sampling_request(params)
        except SamplingInvalid as error:
            return ClientInput(error=str(error))
        if tool.sampling == "ask" and not await self._is_sampling_allowed(call, tool, sampling):
            return ClientInput(error="A person did not allow that the server asks the model.")
        if (reached := self._rules.reached_limit()) is not None:
            return ClientInput(error=f"The task has reached a limit: {reached}.")
        try:
            response: ModelResponse = await self._effects.sample(sampling)
        except ModelError as error:
            return ClientInput(error=f"The model gave no response: {error}")
        self._rules.add_usage(response.usage)
        return ClientInput(result=sampling_result(response, self._rules.model))

    async def _is_sampling_allowed(self, call: ToolCall, tool: ToolSpec, sampling: SamplingRequest) -> bool:
        text = f"wants to ask the model {self._rules.model} this, during a call of {tool.name}. Allow it?"
        request = self._request("approval", call, tool, text)
        update = {"tool": SAMPLING_METHOD, "arguments": shown_sampling(sampling)}
        answer = await self._effects.ask(request.model_copy(update=update))
        return answer.decision == "approve"

    def _request(self, kind: InputRequestKind, call: ToolCall, tool: ToolSpec, text: str) -> InputRequest:
        server = tool.mcp.server if tool.mcp else tool.name
        return InputRequest(
            id=self._effects.next_request_id(),
            kind=kind,
            step=self._step,
            call_id=call.id,
            message=bounded(f"MCP server {server} {text}", _MAX_MESSAGE_CHARS),
            opened_at=self._effects.now(),
        )
