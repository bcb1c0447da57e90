"""An HTTP transport that resolves hosts, and connects to permitted addresses only."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence

import httpx2

from agentkit.errors import ToolError
from agentkit.response_decoding import bound_decoding
from agentkit.web.address_policy import AddressPolicy

__all__ = ["GuardedTransport", "Resolve"]

_MAX_COMPRESSED_BYTES = 4 * 1_048_576
"""Far more than a decompressed text may have, and no compression makes a text much longer."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to numeric addresses, the preferred one first."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Resolves each request's host once, refuses the request unless all addresses are permitted, and connects to them.

    It connects to the addresses that it checked, so DNS rebinding has no effect. TLS certificates are verified for the
    host's name. Connections aren't reused: one opened for a name must not serve another name at the same address.
    """

    def __init__(self, policy: AddressPolicy, *, resolve: Resolve, verify: ssl.SSLContext | bool = True) -> None:
        self._policy = policy
        self._resolve = resolve
        self._inner = httpx2.AsyncHTTPTransport(
            verify=verify, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to the first of the host's addresses that accepts a connection.

        Raises:
            ToolError: an address of the host isn't permitted, or the host doesn't exist.
            DecodingError: the body is compressed more than once.
        """
        response = await self._send(request)
        await bound_decoding(response, _MAX_COMPRESSED_BYTES)
        return response

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        addresses = await self._permitted_addresses(request.url)
        *others, last = addresses
        for address in others:
            try:
                return await self._inner.handle_async_request(_request_to_address(address, request))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_request_to_address(last, request))

    async def _permitted_addresses(self, url: httpx2.URL) -> Sequence[str]:
        host = url.raw_host.decode("ascii")
        addresses = await self._resolve(host, url.port or (443 if url.scheme == "https" else 80))
        refused = [address for address in addresses if not self._policy.permits(address)]
        if refused or not addresses:
            raise ToolError(
                f"{host!r} is not on the public internet ({', '.join(refused) or 'no address'}), so it isn't fetched. "
                "Only public addresses are. The operator can allow a network: http_fetch_allow in opspawn.toml."
            )
        return addresses

    async def aclose(self) -> None:
        """Close connections."""
        await self._inner.aclose()


def _request_to_address(address: str, request: httpx2.Request) -> httpx2.Request:
    """Return the request with an address in its URL; the ``Host`` header and TLS keep the host's name."""
    extensions = {**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")}
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,  # with the Host header of the name
        stream=request.stream,
        extensions=extensions,
    )
