"""Bound what decoding the body of an HTTP response costs: a decoder that yields nothing can't be stopped by its output.

A few kilobytes, compressed several times over, expand to terabytes between two decoders, of which the last makes
nothing: the event loop would stand still for hours. After its end, a compressed body is kept by the decoder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

__all__ = ["bound_decoding"]


async def bound_decoding(response: httpx2.Response, max_bytes: int) -> None:
    """Refuse a body that is compressed more than once, and bound a compressed one to ``max_bytes`` as it is sent.

    Call it before the body is read.

    Raises:
        DecodingError: it is compressed more than once; the response is closed. A body of more bytes raises it later.
    """
    codings = response.headers.get_list("content-encoding", split_commas=True)
    applied = [coding for coding in codings if coding.strip().lower() not in ("", "identity")]
    if len(applied) > 1:
        await response.aclose()
        raise httpx2.DecodingError(f"it is compressed {len(applied)} times over")
    if applied:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, max_bytes)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        remaining = self._max_bytes
        async for chunk in self._stream:
            remaining -= len(chunk)
            if remaining < 0:
                raise httpx2.DecodingError(f"it has more than {self._max_bytes:,} bytes, compressed")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
