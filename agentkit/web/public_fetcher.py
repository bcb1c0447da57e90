"""GET pages of the public internet: a ``Fetcher`` that can't be led to private addresses."""

from __future__ import annotations

import asyncio
import codecs
import re
import ssl
from collections.abc import Iterable

import httpx2

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import FetchResult
from agentkit.web.address_policy import AddressPolicy
from agentkit.web.guarded_transport import GuardedTransport, Resolve, resolve
from agentkit.web.readable_text import readable

__all__ = ["PublicFetcher"]

_MAX_REDIRECTS = 5
_HTML = ("text/html", "application/xhtml+xml")
_TEXT = re.compile(
    r"text/|application/([\w.-]+\+)?(json|xml|yaml)\b|application/(x-)?(javascript|ecmascript|ndjson|yaml|toml|sh|sql)\b"
    r"|image/svg\+xml"
)
_CHARSETS = re.compile(r"ascii|utf_?-?(8|16|32)|iso|latin|cp\d|windows|koi8|mac|gb|big5|euc|shift|johab|hz|tis|ptcp|hp")
"""Encodings of text. Python's other codecs (``idna``, ``punycode``) take quadratic time."""
_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset=["']?([\w-]{1,40})""", re.IGNORECASE)


class PublicFetcher:
    """Fetches text from public addresses, over http and https, as no particular person.

    No proxy, cookie or password of this machine is used. Each address is checked before it is connected to, after
    each redirect too.
    """

    def __init__(
        self, *, allow: Iterable[str] = (), resolve: Resolve = resolve, verify: ssl.SSLContext | None = None
    ) -> None:
        """Take further networks that may be reached, such as ``10.0.0.0/8``, and what stands in for DNS and for the
        trusted certificates.
        """
        self._policy = AddressPolicy(allow)
        self._resolve = resolve
        self._verify = verify or httpx2.create_ssl_context(trust_env=False)

    async def fetch(self, url: str, *, max_bytes: int, within: float) -> FetchResult:
        """Return the text at ``url``, cut at ``max_bytes``; ``within`` is seconds in all.

        HTML is reduced to readable text, after the cut.

        Raises:
            ToolError: a private address, no text, or too slow.
            ToolUnavailable: the connection failed.
        """
        try:
            async with asyncio.timeout(within), self._client(within) as client:
                return await self._follow(client, _checked(url), max_bytes)
        except TimeoutError as error:
            raise ToolError(f"{url} took longer than {within:g} s. Try another source.") from error
        except httpx2.HTTPError as error:
            raise _told(url, error) from error

    def _client(self, within: float) -> httpx2.AsyncClient:
        """Return a client for one fetch: cookies must not pass from one task to another."""
        return httpx2.AsyncClient(
            transport=GuardedTransport(self._policy, resolve=self._resolve, verify=self._verify),
            trust_env=False,
            timeout=httpx2.Timeout(None, connect=within / 2),
            headers={"user-agent": "opspawn", "accept": "text/html, text/*, application/json;q=0.9, */*;q=0.1"},
        )

    async def _follow(self, client: httpx2.AsyncClient, url: httpx2.URL, max_bytes: int) -> FetchResult:
        for _ in range(_MAX_REDIRECTS + 1):
            async with client.stream("GET", url) as response:
                if response.next_request is None:
                    return await _read(response, max_bytes)
                url = _checked(str(response.next_request.url))
        raise ToolError(f"More than {_MAX_REDIRECTS} redirects, the last one to {url}. Try another address.")


def _checked(text: str) -> httpx2.URL:
    """Return the URL, or say what is wrong with it."""
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
            f"A URL with a user name or password isn't fetched. Leave out what stands before the @ of {url.host}."
        )
    return url


async def _read(response: httpx2.Response, max_bytes: int) -> FetchResult:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and not _TEXT.match(media_type):
        raise ToolError(
            f"{response.url} is {media_type}, not text (status {response.status_code}), so it can't be read."
        )
    body = bytearray()
    async for chunk in response.aiter_bytes():  # decompressed in bounded pieces: a bomb stops at the limit, too
        body += chunk
        if len(body) > max_bytes:
            break
    content, truncated = bytes(body[:max_bytes]), len(body) > max_bytes
    if b"\0" in content[:4096] and not media_type:
        raise ToolError(f"{response.url} is not text, so it can't be read.")
    text = await asyncio.to_thread(_decoded, content, media_type, response.charset_encoding, str(response.url))
    return FetchResult(
        url=str(response.url), status=response.status_code, content_type=media_type, text=text, truncated=truncated
    )


def _decoded(content: bytes, media_type: str, charset: str | None, url: str) -> str:
    is_html = media_type in _HTML or (
        not media_type and content.lstrip()[:15].lower().startswith((b"<!doctype", b"<html"))
    )
    if charset is None and is_html and (meta := _META_CHARSET.search(content[:4096])):
        charset = meta[1].decode("ascii")
    text = content.decode(_codec(charset), errors="replace")
    return readable(text, url) if is_html else text


def _codec(charset: str | None) -> str:
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        return "utf-8-sig"
    return name if _CHARSETS.match(name) and name != "utf-8" else "utf-8-sig"


def _told(url: str, error: httpx2.HTTPError) -> ToolError:
    """Say what happened in our errors."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ToolError(f"{url} has no valid certificate ({cause.verify_message}). Try another source.")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.DecodingError | httpx2.UnsupportedProtocol):
        return ToolError(f"{url} answered with what can't be read: {error}. Try another source.")
    words = str(error) or type(error).__name__
    return ToolUnavailable(f"No connection to {url}, or it broke off: {words}.")
