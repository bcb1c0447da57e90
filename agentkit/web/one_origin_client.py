"""Send requests to a URL that the operator has set: an ``HttpClient`` for that URL's origin, wherever it is."""

from __future__ import annotations

import asyncio
import ssl

import httpx2

from agentkit.errors import ToolError, ToolInterrupted, ToolUnavailable
from agentkit.interfaces import HttpReply, HttpRequest
from agentkit.web.guarded_client import GuardedClients
from agentkit.web.guarded_transport import Resolve
from agentkit.web.public_fetcher import parse_url

__all__ = ["OneOriginClient"]

_HEADERS = {"accept-encoding": "identity"}  # bodies aren't read
_ANY_ADDRESS = ("0.0.0.0/0", "::/0")
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class OneOriginClient:
    """Sends requests to one origin, which may have private addresses. It follows no redirect, and reads no body.

    Its errors name the origin alone: the rest of the URL may be a secret.
    """

    def __init__(self, url: str, *, resolve: Resolve | None = None, verify: ssl.SSLContext | None = None) -> None:
        """Set the origin: that of ``url``. ``resolve`` and ``verify`` are those of ``GuardedClients``.

        Raises:
            ToolError: ``url`` is no URL.
        """
        self._origin = _origin(parse_url(url))
        # With SSL_CERT_FILE, for the authority of a private network.
        self._clients = GuardedClients(
            allow=_ANY_ADDRESS, resolve=resolve, verify=verify or httpx2.create_ssl_context(trust_env=True)
        )

    async def send(self, request: HttpRequest, *, max_bytes: int, timeout_s: float) -> HttpReply:
        """Return the status and headers of the response; a redirect is a response.

        Raises:
            ToolError: the request is for another origin, or no valid one.
            ToolUnavailable: there was no connection: the request was not sent.
            ToolInterrupted: the connection broke off, or there was no response in time.
        """
        url = parse_url(request.url)
        if _origin(url) != self._origin:
            raise ToolError(f"Requests are sent to {self._origin} only.")
        try:
            async with asyncio.timeout(timeout_s), self._clients.client(timeout_s, _HEADERS) as client:
                return await self._send(client, url, request)
        except TimeoutError:
            raise ToolInterrupted(f"{self._origin} took longer than {timeout_s:g} s.") from None
        except httpx2.LocalProtocolError as error:
            raise ToolError(f"The request to {self._origin} is wrong: {error}.") from None
        except _UNSENT as error:
            raise ToolUnavailable(f"No connection to {self._origin}: {_text(error)}.") from None
        except httpx2.HTTPError as error:
            raise ToolInterrupted(f"The connection to {self._origin} broke off: {_text(error)}.") from None

    async def _send(self, client: httpx2.AsyncClient, url: httpx2.URL, request: HttpRequest) -> HttpReply:
        headers = {**request.headers, **request.secret_headers}
        target = url.copy_merge_params(dict(request.secret_query)) if request.secret_query else url
        response = await client.send(
            client.build_request(request.method, target, headers=headers, content=request.body), stream=True
        )
        await response.aclose()
        return HttpReply(
            url=str(url),
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            text=None,
            size=0,
            truncated=True,
        )


def _origin(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"


def _text(error: httpx2.HTTPError) -> str:
    return str(error) or type(error).__name__
