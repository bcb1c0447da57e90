"""The HTTP client of all providers: it follows no redirect, and reads a bounded part of every response."""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2

from agentkit.errors import ConfigurationInvalid
from agentkit.llm.shared.failures import RedirectRefused, ResponseTooLarge
from agentkit.llm.shared.streams.response_timeouts import ResponseTimeouts
from agentkit.llm.shared.streams.server_events import DEFAULT_MAX_EVENT_BYTES
from agentkit.response_decoding import bound_decoding

__all__ = ["DEFAULT_LIMITS", "ProviderClient", "ResponseLimits", "check_client_environment"]

_MIB = 1_048_576
_CONNECTIONS = httpx2.Limits(max_connections=1_000, max_keepalive_connections=100)
_ENCODING_HEADERS = ("content-encoding", "content-length")


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Return what all clients verify servers with: to load the certificate authorities takes 30 ms."""
    return httpx2.create_ssl_context()


def check_client_environment() -> None:
    """Check what the environment says about certificates and proxies.

    Raises:
        ConfigurationInvalid: no client can be made with it.
    """
    try:
        ProviderClient(ResponseTimeouts())
    except (OSError, ValueError, ImportError) as error:
        raise ConfigurationInvalid(
            "Providers of models can't be reached with the environment of this process (SSL_CERT_FILE, SSL_CERT_DIR, "
            f"HTTPS_PROXY, HTTP_PROXY, ALL_PROXY): {error}. Correct the variable, or remove it."
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseLimits:
    """How much of a response is read; all sizes are in bytes, and after decompression."""

    total_bytes: int = 128 * _MIB
    """Of the whole response: a token takes up to 500 bytes of a stream."""
    event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    """Of a line, of an event, and of a body that is no stream. Parsed, it may take 25 times as much memory."""
    error_bytes: int = 262_144
    """Of an error response; the rest is left out."""
    parts: int = 1_000
    """Of texts, thoughts, details of thoughts, and tool calls together."""


DEFAULT_LIMITS = ResponseLimits()


class ProviderClient(httpx2.AsyncClient):
    """An HTTP client for one provider. Proxies of the environment are used, as by any client.

    It asks for uncompressed responses. A compressed one is accepted, and counts with its size after decompression.
    """

    def __init__(self, timeouts: ResponseTimeouts, limits: ResponseLimits = DEFAULT_LIMITS) -> None:
        super().__init__(
            verify=_tls_context(),
            timeout=httpx2.Timeout(timeouts.longest, connect=timeouts.connect),
            limits=_CONNECTIONS,
            headers={"accept-encoding": "identity"},
            follow_redirects=False,
        )
        self._response_limits = limits

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send a request once, and return its response.

        Raises:
            RedirectRefused: the server redirects: neither the key nor the request is sent to another address.
            ResponseTooLarge: it is compressed more than once; or while the response is read.
        """
        received = await super().send(request, stream=True, **{**options, "follow_redirects": False})
        if received.has_redirect_location:
            await received.aclose()
            raise RedirectRefused(received.status_code, str(received.url.join(received.headers["location"])))
        try:
            await bound_decoding(received, self._response_limits.total_bytes)
        except httpx2.DecodingError as error:
            raise ResponseTooLarge(str(error)) from None
        response = httpx2.Response(
            received.status_code,
            headers=[(key, value) for key, value in received.headers.multi_items() if key not in _ENCODING_HEADERS],
            stream=_BoundedBody(received, self._response_limits),
            request=request,
            extensions=received.extensions,
        )
        if not stream:
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response


class _BoundedBody(httpx2.AsyncByteStream):
    """The decompressed body of a response, up to its limit."""

    def __init__(self, response: httpx2.Response, limits: ResponseLimits) -> None:
        self._response = response
        self._limits = limits

    async def __aiter__(self) -> AsyncIterator[bytes]:
        is_error = self._response.is_error
        remaining = self._limits.error_bytes if is_error else self._limits.total_bytes
        async for chunk in self._response.aiter_bytes():  # in pieces of at most 1 MiB, however much is compressed
            if len(chunk) <= remaining:
                remaining -= len(chunk)
                yield chunk
            elif is_error:
                yield chunk[:remaining]
                return
            else:
                raise ResponseTooLarge(f"more than {self._limits.total_bytes:,} bytes")

    async def aclose(self) -> None:
        await self._response.aclose()
