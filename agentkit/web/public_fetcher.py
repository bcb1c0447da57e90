"""Fetch pages from the public internet: a ``Fetcher`` that redirects and DNS can't lead to private addresses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx2

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import FetchResult
from agentkit.messages import is_text_type
from agentkit.web.guarded_client import GuardedClients, read_body
from agentkit.web.guarded_transport import Resolve
from agentkit.web.readable_text import html_to_text
from agentkit.web.text_encoding import decode_text, has_byte_order_mark

__all__ = ["MAX_REDIRECTS", "PublicFetcher", "decode_page", "parse_url", "tool_error"]

MAX_REDIRECTS = 5
_MAX_DECODERS = 4
"""Threads that decode pages."""
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_ACCEPT = {"accept": "text/html, text/*, application/json;q=0.9, */*;q=0.1"}
_HTML_STARTS = ("<!doctype html", "<html")


class PublicFetcher:
    """Fetches text from public addresses, over http and https, without credentials.

    No proxy, cookie or password of this machine is used. Addresses are checked before each connection, after redirects,
    too.
    """

    def __init__(
        self, *, allow: Iterable[str] = (), resolve: Resolve | None = None, verify: ssl.SSLContext | None = None
    ) -> None:
        """Set the permitted addresses: see ``GuardedClients``."""
        self._clients = GuardedClients(allow=allow, resolve=resolve, verify=verify)
        self._decoders = ThreadPoolExecutor(_MAX_DECODERS, thread_name_prefix="page")

    async def fetch(self, url: str, *, max_bytes: int, timeout_s: float) -> FetchResult:
        """Return the text at ``url``, cut at ``max_bytes``; ``timeout_s`` is for all redirects together.

        HTML is reduced to readable text after the cut.

        Raises:
            ToolError: the address is private, the content isn't text, or the timeout passed.
            ToolUnavailable: the connection failed.
        """
        try:
            async with asyncio.timeout(timeout_s), self._clients.client(timeout_s, _ACCEPT) as client:
                return await self._get(client, parse_url(url), max_bytes)
        except TimeoutError as error:
            raise ToolError(f"{url} took longer than {timeout_s:g} s. Try another source.") from error
        except httpx2.HTTPError as error:
            raise tool_error(url, error) from error

    async def _get(self, client: httpx2.AsyncClient, url: httpx2.URL, max_bytes: int) -> FetchResult:
        for _ in range(MAX_REDIRECTS + 1):
            async with client.stream("GET", url) as response:
                if response.next_request is None:
                    return await self._read(response, max_bytes)
                url = parse_url(str(response.next_request.url))
        raise ToolError(f"More than {MAX_REDIRECTS} redirects, the last one to {url}. Try another address.")

    async def _read(self, response: httpx2.Response, max_bytes: int) -> FetchResult:
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type and not is_text_type(media_type):
            raise ToolError(
                f"{response.url} is {media_type}, not text (status {response.status_code}), so it can't be read."
            )
        content, truncated = await read_body(response, max_bytes)
        if not media_type and b"\0" in content[:4096] and not has_byte_order_mark(content):
            raise ToolError(f"{response.url} is not text, so it can't be read.")
        url, charset = str(response.url), response.charset_encoding
        decode = partial(decode_page, content, media_type, charset, url, is_truncated=truncated)
        text = await asyncio.get_running_loop().run_in_executor(self._decoders, decode)
        return FetchResult(
            url=url, status=response.status_code, content_type=media_type, text=text, truncated=truncated
        )


def parse_url(text: str) -> httpx2.URL:
    """Return an absolute URL with http or https, without a user name.

    Raises:
        ToolError: it is none.
    """
    try:
        url = httpx2.URL(text.strip())
    except httpx2.InvalidURL as error:
        raise ToolError(f"{text!r} is no URL ({error}). Write one such as https://example.org/page.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ToolError(f"{text!r} can't be fetched: only absolute http:// and https:// URLs can.")
    if "%" in url.host or not 0 < (url.port or 80) < 65_536:
        raise ToolError(f"{text!r} is no URL (host or port). Write one such as https://example.org/page.")
    if url.userinfo:
        raise ToolError(
            f"A URL with a user name or password isn't fetched. Leave out the part before the @ of {url.host}."
        )
    return url


def decode_page(content: bytes, media_type: str, charset: str | None, url: str, *, is_truncated: bool = False) -> str:
    """Return the text of a body; HTML as readable text."""
    may_be_html = not media_type or media_type in _HTML_TYPES
    text = decode_text(content, charset, is_html=may_be_html, is_truncated=is_truncated)
    is_html = media_type in _HTML_TYPES or (not media_type and text.lstrip()[:15].lower().startswith(_HTML_STARTS))
    return html_to_text(text, url) if is_html else text


def tool_error(url: str, error: httpx2.HTTPError) -> ToolError:
    """Return the error for the model that a failed request is."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ToolError(f"{url} has no valid certificate ({cause.verify_message}). Try another source.")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.DecodingError | httpx2.UnsupportedProtocol):
        return ToolError(f"The response of {url} can't be read: {error}. Try another source.")
    return ToolUnavailable(f"No connection to {url}, or it broke off: {str(error) or type(error).__name__}.")
