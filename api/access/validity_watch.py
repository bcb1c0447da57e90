"""End a request when its key or token is no longer valid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.access.authentication import Identity

__all__ = ["CredentialExpired", "while_valid"]


class CredentialExpired(Exception):
    """The key or token of the request isn't valid any more."""


@asynccontextmanager
async def while_valid(identity: Identity, interval_s: float) -> AsyncIterator[None]:
    """Run the context, and cancel it when a check finds the identity no longer valid.

    Raises:
        CredentialExpired: it was cancelled.
    """
    deadline = asyncio.timeout(None)
    checks = _Checks(identity, interval_s, deadline)
    try:
        async with deadline:
            yield
    except TimeoutError:
        if deadline.expired():
            raise CredentialExpired from None
        raise
    finally:
        checks.stop()


class _Checks:
    """Checks an identity at each interval, by a timer: most requests end before the first, and pay little for it."""

    def __init__(self, identity: Identity, interval_s: float, deadline: asyncio.Timeout) -> None:
        self._identity = identity
        self._interval_s = interval_s
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(interval_s, self._check)

    def stop(self) -> None:
        self._timer.cancel()

    def _check(self) -> None:
        if self._identity.is_valid():
            self._timer = self._loop.call_later(self._interval_s, self._check)
        else:
            self._deadline.reschedule(self._loop.time())
