"""The principal of the request that the running code serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agentkit.principal import LOCAL_PRINCIPAL, Principal

__all__ = ["acting_as", "authenticated_principal", "authenticated_subject", "current_principal"]

_principal: ContextVar[Principal] = ContextVar("opspawn_principal", default=LOCAL_PRINCIPAL)


@contextmanager
def acting_as(principal: Principal) -> Iterator[None]:
    """Make ``principal`` the current one of the code inside, and of the asyncio tasks that it starts."""
    token = _principal.set(principal)
    try:
        yield
    finally:
        _principal.reset(token)


def current_principal() -> Principal:
    """Return the principal of the current request; outside of requests ``LOCAL_PRINCIPAL``."""
    return _principal.get()


def authenticated_principal() -> Principal | None:
    """Return the principal of the current request; None where nobody is authenticated."""
    principal = _principal.get()
    return None if principal is LOCAL_PRINCIPAL else principal


def authenticated_subject() -> str | None:
    """Return the name of the current request's principal; None where nobody is authenticated."""
    principal = authenticated_principal()
    return None if principal is None else principal.subject
