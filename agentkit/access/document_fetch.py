"""Fetch the documents of an identity provider."""

from __future__ import annotations

from httpx2 import AsyncClient, HTTPError, InvalidURL

__all__ = ["fetch_document"]

_TIMEOUT_S = 10.0
_MAX_BYTES = 1_048_576


async def fetch_document(url: str) -> bytes:
    """Return the document at a URL.

    Raises:
        OSError: it can't be fetched. ValueError: it is larger than 1 MiB, or there is no such URL.
    """
    try:
        async with AsyncClient(timeout=_TIMEOUT_S) as http, http.stream("GET", url) as response:
            if not response.is_success:
                raise OSError(f"{url} responds with {response.status_code}")
            content = b""
            async for block in response.aiter_bytes():
                content += block
                if len(content) > _MAX_BYTES:
                    raise ValueError(f"{url} is larger than {_MAX_BYTES} bytes")
            return content
    except (HTTPError, InvalidURL) as error:
        raise OSError(f"{url}: {str(error) or type(error).__name__}") from None
