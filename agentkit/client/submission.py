"""Send a request that changes something once, although its connection may break."""

from __future__ import annotations

import uuid
from typing import TypeVar

from agentkit.client.api_connection import ApiConnection
from agentkit.client.errors import ApiUnreachable
from agentkit.client.reconnect_deadline import ReconnectDeadline
from agentkit.client.resources import ApiObject, JsonObject

__all__ = ["submit"]

_T = TypeVar("_T", bound=ApiObject)
_SUBMIT_TIMEOUT_S = 12.0
"""Shorter than for a task that runs already: a person waits for the task's id."""


async def submit(
    connection: ApiConnection,
    kind: type[_T],
    path: str,
    body: JsonObject,
    idempotency_key: str | None,
    *,
    wait: float = 0,
) -> _T:
    """Post ``body``, and repeat it with the same key when the connection breaks before the response.

    ``wait`` extends the response timeout by as many seconds.

    Raises:
        ClientError: the API refused or failed, or could not be reached in time.
    """
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    deadline = ReconnectDeadline(_SUBMIT_TIMEOUT_S)
    while True:
        try:
            return await connection.post(kind, path, body, headers=headers, wait=wait)
        except ApiUnreachable as error:
            if not error.may_have_arrived:
                raise
            await deadline.wait_before_retry(error)
