"""Call Temporal within a time limit, and translate its errors into ours, here only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.encryption.encrypted_payloads import PayloadErased
from activities.temporal.payload_storage import PayloadStorageFailed
from activities.temporal.temporal_commands import setup_command
from api.tasks.errors import (
    ContentErased,
    PayloadUnavailable,
    ServiceError,
    TaskNotFound,
    TemporalNotReady,
    TemporalUnreachable,
)

__all__ = ["CALLS_TIMEOUT_S", "RPC_TIMEOUT", "calling_temporal", "is_unreachable"]

RPC_TIMEOUT = timedelta(seconds=5)
"""Timeout of one call, the SDK's own retries included."""
CALLS_TIMEOUT_S = 10.0
"""Seconds that all calls of one request may take; a lazy client connects without a limit of its own."""

_UNREACHABLE = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
}
_TRANSPORT_ERRORS = ("transport error", "h2 protocol error", "connection error", "stream closed")
"""What the SDK's client says, with the status UNKNOWN or INTERNAL, when the connection ends during a call."""
_DENIED = {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED}


@asynccontextmanager
async def calling_temporal(
    address: str, task_id: str = "", *, timeout_s: float = CALLS_TIMEOUT_S
) -> AsyncIterator[None]:
    """Limit the calls in this context, and translate their errors; ``address`` is for messages.

    Raises:
        TaskNotFound: there is no workflow ``task_id``.
        TemporalUnreachable: no response within ``timeout_s``.
        TemporalNotReady: the namespace, the search attributes or the credentials are wrong.
        PayloadUnavailable: a large payload can't be stored, or read again.
        ContentErased: the key of a payload was destroyed.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise TemporalUnreachable(address, "timed out") from None
    except RPCError as error:
        raise _translated(error, address, task_id) from error
    except RuntimeError as error:  # what a lazy client raises when it can't connect
        if not str(error).startswith("Failed client connect"):
            raise
        raise TemporalUnreachable(address, "connection failed") from error
    except PayloadErased as error:
        raise ContentErased(task_id) from error
    except PayloadStorageFailed as error:
        raise PayloadUnavailable(str(error)) from error


def is_unreachable(error: RPCError) -> bool:
    """Return whether Temporal gave no response: it is away, too slow or overloaded, or the connection was lost."""
    if error.status in _UNREACHABLE:
        return True
    is_of_client = error.status in (RPCStatusCode.UNKNOWN, RPCStatusCode.INTERNAL)
    return is_of_client and any(text in error.message.lower() for text in _TRANSPORT_ERRORS)


def _translated(error: RPCError, address: str, task_id: str) -> ServiceError | RPCError:
    if is_unreachable(error):
        return TemporalUnreachable(address, error.message)
    if error.status in _DENIED:
        return TemporalNotReady(
            f"Temporal at {address} refuses our credentials: {error.message}. Set TEMPORAL_API_KEY."
        )
    if error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message:
        return TemporalNotReady(
            f"Temporal at {address} lacks Opspawn's search attributes ({error.message}). "
            f"Run `{setup_command(address, anywhere=True)}`."
        )
    if error.status is RPCStatusCode.NOT_FOUND:
        if error.message.startswith("Namespace "):
            return TemporalNotReady(f"Temporal at {address}: {error.message} Set TEMPORAL_NAMESPACE.")
        if task_id:
            return TaskNotFound(task_id)
    return error
