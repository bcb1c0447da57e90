"""Which of our requests a server's own request belongs to.

Over older protocols, a server that asks for input in a call doesn't say in which. So where calls share a session, its
request belongs to the one call that is in flight; and a server that has asked once gets one call at a time afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentkit.interfaces import ClientInput, ClientInputRequest
from agentkit.mcp.server_problems import unavailable
from agentkit.mcp.server_sessions import RequestHandlers

__all__ = ["RequestAttribution"]

_AMBIGUITY_TIMEOUT_S = 10.0
"""How long a server's request waits until one call is left that it can belong to."""
_NO_CALL = "The client answers only during a tool call."
_AMBIGUOUS = (
    "Several calls are in flight, and over this protocol it can't be known which one asks. Later calls are made one at "
    "a time: try again."
)
_CALL_ENDED = "The call has ended."


class _Call:
    def __init__(self, handlers: RequestHandlers) -> None:
        self.handlers = handlers
        self.request_count = 0
        self.asking: set[asyncio.Task[ClientInput]] = set()
        self.has_ended = False


class RequestAttribution:
    """The calls in flight over the older protocols of one server."""

    def __init__(self, server: str, *, max_wait_s: float) -> None:
        """A call waits up to ``max_wait_s`` seconds for others."""
        self._server = server
        self._max_wait_s = max_wait_s
        self._calls: list[_Call] = []
        self._changed = asyncio.Event()
        self._has_asked = False
        self._ambiguous = 0

    @asynccontextmanager
    async def call(self, handlers: RequestHandlers) -> AsyncIterator[None]:
        """Take part in attribution while a call is in flight; first wait until it may begin.

        Raises:
            McpServerUnavailable: other calls have not ended in time.
        """
        await self._wait_for_turn()
        call = _Call(handlers)
        self._calls.append(call)
        try:
            yield
        finally:
            call.has_ended = True
            self._calls.remove(call)
            for task in call.asking:
                task.cancel()
            self._notify()

    async def ask(self, request: ClientInputRequest) -> ClientInput:
        """Return the input for a server's request, from the call that it belongs to."""
        if request.method == "roots/list":
            # Older protocols ask for the roots of a session, and this one is shared by tasks.
            return ClientInput(result={"roots": []})
        if not self._calls:
            return ClientInput(error=_NO_CALL)
        self._has_asked = True
        call = await self._owner()
        if call is None:
            return ClientInput(error=_AMBIGUOUS)
        return await _ask(call, request)

    async def _wait_for_turn(self) -> None:
        try:
            async with asyncio.timeout(self._max_wait_s):
                while self._ambiguous or (self._has_asked and self._calls):
                    await self._changed.wait()
        except TimeoutError:
            cause = (
                f"no turn within {self._max_wait_s:g} s (elicitation_wait): over older protocols, a server that asks "
                "for input during calls gets one call at a time, and another one still waits"
            )
            raise unavailable(self._server, "request", "timed_out", cause) from None

    async def _owner(self) -> _Call | None:
        self._ambiguous += 1
        try:
            async with asyncio.timeout(_AMBIGUITY_TIMEOUT_S):
                while len(self._calls) > 1:
                    await self._changed.wait()
        except TimeoutError:
            return None
        finally:
            self._ambiguous -= 1
            self._notify()
        return self._calls[0] if self._calls else None

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _ask(call: _Call, request: ClientInputRequest) -> ClientInput:
    """Ask until the call ends; the request's key is unique within the call, and the same on each attempt."""
    call.request_count += 1
    asked = request.model_copy(update={"key": str(call.request_count)})

    async def ask() -> ClientInput:
        return await call.handlers.ask(asked)

    task = asyncio.create_task(ask())
    call.asking.add(task)
    try:
        return await task
    except asyncio.CancelledError:
        if call.has_ended:
            return ClientInput(error=_CALL_ENDED)
        raise
    finally:
        call.asking.discard(task)
        task.cancel()
