"""Tell errors of connections from other errors of a tool: after one, whether the call took effect is not known."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["is_connection_error"]

_CLASSES = frozenset(
    {
        "aiohttp.client_exceptions.ClientConnectionError",
        "aiohttp.client_exceptions.ClientPayloadError",
        "http.client.BadStatusLine",
        "http.client.IncompleteRead",
        "httpx.TransportError",
        "httpx2.TransportError",
        "requests.exceptions.ChunkedEncodingError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "urllib3.exceptions.ProtocolError",
        "urllib3.exceptions.TimeoutError",
    }
)
"""Errors of HTTP clients that are neither ``ConnectionError`` nor ``TimeoutError``, by module and name."""


def is_connection_error(error: BaseException) -> bool:
    """Return whether the error, or one that led to it, is a lost connection or a timeout.

    ``raise ... from None`` hides the errors that led to it.
    """
    return any(
        isinstance(each, ConnectionError | TimeoutError) or not _CLASSES.isdisjoint(_class_names(each))
        for each in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _class_names(error: BaseException) -> Iterator[str]:
    for kind in type(error).__mro__:
        module, name = kind.__module__, kind.__qualname__
        yield f"{module}.{name}"
        yield f"{module.partition('.')[0]}.{name}"
