"""Send any HTTP request to the public internet: an ``HttpClient`` that keeps secrets at the origin they are for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx2

from agentkit.errors import ToolError, ToolInterrupted
from agentkit.interfaces import HttpReply, HttpRequest
from agentkit.messages import is_text_type
from agentkit.web.guarded_client import GuardedClients, read_body
from agentkit.web.guarded_transport import Resolve
from agentkit.web.public_fetcher import MAX_REDIRECTS, decode_page, parse_url, tool_error
from agentkit.web.text_encoding import has_byte_order_mark

__all__ = ["PublicHttpClient"]

_MAX_DECODERS = 4
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "idempotency-key", "proxy-authorization", "x-api-key"})
_HEADERS_OF_BODY = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding"})


class PublicHttpClient:
    """Sends requests to public addresses, over http and https. It uses no proxy, cookie or password of this machine."""

    def __init__(
        self, *, allow: Iterable[str] = (), resolve: Resolve | None = None, verify: ssl.SSLContext | None = None
    ) -> None:
        """Set the permitted addresses: see ``GuardedClients``."""
        self._clients = GuardedClients(allow=allow, resolve=resolve, verify=verify)
        self._decoders = ThreadPoolExecutor(_MAX_DECODERS, thread_name_prefix="response")

    async def send(self, request: HttpRequest, *, max_bytes: int, timeout_s: float) -> HttpReply:
        """Return the response, whatever its status; ``timeout_s`` is for all redirects together.

        Raises:
            ToolError: the address is private, or the request is no valid one.
            ToolUnavailable: there was no connection: the request was not sent.
            ToolInterrupted: the connection broke off, or there was no response in time; whether the server has carried
                out the request is not known.
        """
        try:
            async with asyncio.timeout(timeout_s), self._clients.client(timeout_s, {}) as client:
                return await self._send(client, request, max_bytes)
        except TimeoutError as error:
            raise ToolInterrupted(f"{request.url} took longer than {timeout_s:g} s.") from error
        except httpx2.LocalProtocolError as error:
            raise ToolError(f"The request to {request.url} is wrong: {error}. Correct its headers.") from error
        except httpx2.HTTPError as error:
            explained = tool_error(request.url, error)
            if isinstance(error, _UNSENT):
                raise explained from error
            raise ToolInterrupted(str(explained)) from error

    async def _send(self, client: httpx2.AsyncClient, request: HttpRequest, max_bytes: int) -> HttpReply:
        first = parse_url(request.url)
        url, method, body, headers = first, request.method, request.body, dict(request.headers)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                is_same = _origin(url) == _origin(first)
                sent_headers = {**headers, **request.secret_headers} if is_same else _public(headers)
                query = dict(request.secret_query) if url is first else {}
                target = url.copy_merge_params(query) if query else url
                response = await client.send(
                    client.build_request(method, target, headers=sent_headers, content=body), stream=True
                )
                try:
                    following = response.next_request
                    if following is None:
                        return await self._read(response, str(url), max_bytes)
                finally:
                    await response.aclose()
                if following.method != method:  # as browsers do: GET, without the body
                    method, body, headers = following.method, None, _without_body(headers)
                url = parse_url(str(following.url))
            raise ToolError(f"More than {MAX_REDIRECTS} redirects, the last one to {url}. Try another address.")
        except (ToolError, *_UNSENT) as error:
            if method == request.method:
                raise
            # Such a redirect is a server's usual response to a request that it has carried out.
            raise ToolInterrupted(
                f"{request.url} may have carried out the request. Its redirect failed: {error}"
            ) from error

    async def _read(self, response: httpx2.Response, url: str, max_bytes: int) -> HttpReply:
        content, truncated = await read_body(response, max_bytes)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_binary = b"\0" in content[:4096] and not has_byte_order_mark(content)
        text = None
        if is_text_type(media_type) or (not media_type and not is_binary):
            charset = response.charset_encoding
            decode = partial(decode_page, content, media_type, charset, url, is_truncated=truncated)
            text = await asyncio.get_running_loop().run_in_executor(self._decoders, decode)
        return HttpReply(
            url=url,
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            text=text,
            size=len(content),
            truncated=truncated,
        )


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))


def _public(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that another origin gets after a redirect."""
    return {name: value for name, value in headers.items() if name.lower() not in _PRIVATE_HEADERS}


def _without_body(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HEADERS_OF_BODY}
