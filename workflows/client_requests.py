"""What MCP servers of older protocols ask while a call runs: the call's activity signals it, and queries the input."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue, ValidationError

    from activities.payload_types import AskedInput
    from agentkit.errors import SteeringInvalid
    from agentkit.interfaces import ClientInput, ClientInputRequest
    from agentkit.runtime.calls.client_inputs import MAX_CALL_REQUESTS, MAX_REQUESTS_AT_ONCE
    from agentkit.validation.validation_messages import issues_text

__all__ = ["ClientRequests", "read_asked_input"]

Obtain = Callable[[ClientInputRequest], Awaitable[ClientInput]]


@dataclass
class _RunningCall:
    obtain: Obtain
    inputs: dict[str, tuple[str, asyncio.Task[ClientInput]]] = field(default_factory=dict)
    """By the request's key: a digest of the request, and what obtains its input."""


class ClientRequests:
    """The requests of servers during the calls that run now.

    A later attempt of a call that asks the same as an earlier one gets the same input: nobody is asked twice.
    """

    def __init__(self) -> None:
        self._calls: dict[str, _RunningCall] = {}

    def begin(self, call_id: str, obtain: Obtain) -> None:
        """Take requests of this call from now on; ``obtain`` returns the input for each."""
        self._calls[call_id] = _RunningCall(obtain)

    def end(self, call_id: str) -> None:
        """Withdraw the open requests of a call, which has ended."""
        call = self._calls.pop(call_id, None)
        for _, obtaining in call.inputs.values() if call else ():
            obtaining.cancel()

    def receive(self, asked: AskedInput) -> None:
        """Obtain the input for a request, unless the call has ended, or has asked the same before."""
        call, request = self._calls.get(asked.call_id), asked.request
        if call is None:
            return
        digest = hashlib.sha256(request.canonical_json()).hexdigest()
        earlier = call.inputs.get(request.key)
        if earlier is not None and earlier[0] == digest:
            return
        if earlier is not None:
            earlier[1].cancel()
        elif len(call.inputs) >= MAX_CALL_REQUESTS:
            return
        is_too_much = sum(not obtaining.done() for _, obtaining in call.inputs.values()) >= MAX_REQUESTS_AT_ONCE
        obtain = _refuse if is_too_much else call.obtain
        obtaining = asyncio.create_task(_obtain(obtain, request))
        call.inputs[request.key] = (digest, obtaining)

    def input_for(self, call_id: str, key: str) -> ClientInput | None:
        """Return the input for a request; None: there is none yet."""
        call = self._calls.get(call_id)
        if call is None:
            return ClientInput(error="The call has ended.")
        if key not in call.inputs:
            too_many = ClientInput(error=f"The server asked more than {MAX_CALL_REQUESTS} times in one call.")
            return too_many if len(call.inputs) >= MAX_CALL_REQUESTS else None
        obtaining = call.inputs[key][1]
        if not obtaining.done():
            return None
        return ClientInput(error="The request was withdrawn.") if obtaining.cancelled() else obtaining.result()


async def _refuse(_: ClientInputRequest) -> ClientInput:
    return ClientInput(error=f"The server asked for more than {MAX_REQUESTS_AT_ONCE} things at once.")


async def _obtain(obtain: Obtain, request: ClientInputRequest) -> ClientInput:
    try:
        return await obtain(request)
    except Exception as error:  # such as an expiry that is to end the task: here it ends the request
        return ClientInput(error=f"There is no input: {error}")


def read_asked_input(data: JsonValue) -> AskedInput:
    """Return the argument of the signal ``ask_client``.

    Raises:
        SteeringInvalid: it is none; the message names the fields.
    """
    try:
        return AskedInput.model_validate(data)
    except ValidationError as error:
        raise SteeringInvalid(f"This is no request of an MCP server: {issues_text(error, data)}") from error
