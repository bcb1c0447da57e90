"""An HTTP transport that connects only to addresses it has checked itself."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import httpx2

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.web.address_policy import AddressPolicy

__all__ = ["GuardedTransport", "Resolve", "resolve"]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes host and port; returns numeric addresses, best first."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for a host's addresses.

    Raises:
        ToolError: there is no such host.
        ToolUnavailable: the name servers don't answer.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise ToolUnavailable(f"The name {host!r} can't be resolved at the moment.") from error
        raise ToolError(f"There is no host {host!r}. Check the address.") from error
    except UnicodeError as error:
        raise ToolError(f"{host!r} can't be the name of a host. Check the address.") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Resolves each request's host once, refuses it if any of its addresses isn't permitted, and connects to those.

    The connection goes to the very address that was checked, so a name that resolves differently the next moment
    gains nothing. TLS still vouches for the name. Connections aren't kept: one made for a name must not serve another
    name at the same address.
    """

    def __init__(
        self, policy: AddressPolicy, *, resolve: Resolve = resolve, verify: ssl.SSLContext | bool = True
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._inner = httpx2.AsyncHTTPTransport(
            verify=verify, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to the first of its host's addresses that takes a connection.

        Raises:
            ToolError: the host has an address that isn't public, or doesn't exist.
        """
        addresses = await self._checked(request.url)
        *others, last = addresses
        for address in others:
            try:
                return await self._inner.handle_async_request(_towards(address, request))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_towards(last, request))

    async def _checked(self, url: httpx2.URL) -> Sequence[str]:
        host = url.raw_host.decode("ascii")
        addresses = await self._resolve(host, url.port or (443 if url.scheme == "https" else 80))
        refused = [address for address in addresses if not self._policy.permits(address)]
        if refused or not addresses:
            raise ToolError(
                f"{host!r} is not on the public internet ({', '.join(refused) or 'no address'}), so it isn't fetched. "
                "Only public addresses are. Whoever runs this can allow a network: http_fetch_allow in opspawn.toml."
            )
        return addresses

    async def aclose(self) -> None:
        """Close connections."""
        await self._inner.aclose()


def _towards(address: str, request: httpx2.Request) -> httpx2.Request:
    extensions = {**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")}
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,  # with the Host header of the name
        stream=request.stream,
        extensions=extensions,
    )
