"""HTTP clients for addresses that a model chooses: public ones only, no proxy, cookie or password of this machine."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping

import httpx2

from agentkit.web.address_policy import AddressPolicy
from agentkit.web.guarded_transport import GuardedTransport, Resolve
from agentkit.web.system_resolver import SystemResolver

__all__ = ["GuardedClients", "read_body"]


class GuardedClients:
    """Makes a client for each request, so that tasks share no cookies. Addresses are checked before each connection."""

    def __init__(
        self, *, allow: Iterable[str] = (), resolve: Resolve | None = None, verify: ssl.SSLContext | None = None
    ) -> None:
        """Set the rules of all clients.

        Args:
            allow: Networks that are permitted besides public addresses, such as ``10.0.0.0/8``.
            resolve: Replaces the system's resolver.
            verify: Replaces the trusted certificates.
        """
        self._policy = AddressPolicy(allow)
        self._resolve = resolve or SystemResolver()
        self._verify = verify or httpx2.create_ssl_context(trust_env=False)

    def client(self, timeout_s: float, headers: Mapping[str, str]) -> httpx2.AsyncClient:
        """Return a client whose connections take at most half of ``timeout_s``; the caller bounds the whole request."""
        return httpx2.AsyncClient(
            transport=GuardedTransport(self._policy, resolve=self._resolve, verify=self._verify),
            trust_env=False,
            timeout=httpx2.Timeout(None, connect=timeout_s / 2),
            headers={"user-agent": "opspawn", **headers},
        )


async def read_body(response: httpx2.Response, max_bytes: int) -> tuple[bytes, bool]:
    """Return the first ``max_bytes`` of a decompressed body, and whether it has more.

    It is decompressed in bounded chunks, so that what would become huge is cut.
    """
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            break
    return bytes(body[:max_bytes]), len(body) > max_bytes
