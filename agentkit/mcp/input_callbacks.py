"""What a server asks during a request of ours, by the SDK's callbacks: elicitation, sampling and roots."""

from __future__ import annotations

from typing import Literal, TypeVar

import mcp_types as types
from mcp.client import ClientRequestContext
from pydantic import BaseModel, ValidationError

from agentkit.interfaces import ClientInput, ClientInputRequest
from agentkit.mcp.server_sessions import RequestHandlers

__all__ = ["InputCallbacks"]

_Method = Literal["elicitation/create", "sampling/createMessage", "roots/list"]
_Result = TypeVar("_Result", types.ElicitResult, types.CreateMessageResult, types.ListRootsResult)


class InputCallbacks:
    """Callbacks of a client that makes one request at a time."""

    def __init__(self, handlers: RequestHandlers | None = None) -> None:
        self._handlers = handlers
        self._count = 0

    def begin(self, handlers: RequestHandlers | None) -> None:
        """Send what the server asks from now on to ``handlers``; None declines it."""
        self._handlers = handlers
        self._count = 0

    async def elicit(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        """Ask a person."""
        if self._handlers is None:
            return types.ElicitResult(action="decline")
        return _result(await self._ask("elicitation/create", params), types.ElicitResult)

    async def sample(
        self, context: ClientRequestContext, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult | types.CreateMessageResultWithTools | types.ErrorData:
        """Ask a model."""
        return _result(await self._ask("sampling/createMessage", params), types.CreateMessageResult)

    async def list_roots(self, context: ClientRequestContext) -> types.ListRootsResult | types.ErrorData:
        """Name the directories that the server may use."""
        if self._handlers is None:
            return types.ListRootsResult(roots=[])
        return _result(await self._ask("roots/list", None), types.ListRootsResult)

    async def _ask(self, method: _Method, params: BaseModel | None) -> ClientInput:
        if self._handlers is None:
            return ClientInput(error="Nobody can be asked here.")
        self._count += 1
        asked = {} if params is None else params.model_dump(mode="json", by_alias=True, exclude_none=True)
        return await self._handlers.ask(ClientInputRequest(key=str(self._count), method=method, params=asked))


def _result(given: ClientInput, kind: type[_Result]) -> _Result | types.ErrorData:
    if given.result is None:
        return types.ErrorData(code=types.INVALID_REQUEST, message=given.error or "There is no input.")
    try:
        return kind.model_validate(given.result)
    except ValidationError as error:
        return types.ErrorData(
            code=types.INTERNAL_ERROR, message=f"The input does not fit: {error.error_count()} errors"
        )
