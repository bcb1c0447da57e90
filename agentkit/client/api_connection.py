"""Speak HTTP with one API: requests, streams, and problems as errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import TypeVar

from httpx2 import (
    URL,
    AsyncClient,
    ConnectError,
    ConnectTimeout,
    EventSource,
    HTTPError,
    InvalidURL,
    Limits,
    Response,
    SSEError,
    Timeout,
)

from agentkit.client.errors import ApiUnreachable
from agentkit.client.problem_errors import refusal, stranger
from agentkit.client.resources import Answer, Document
from agentkit.client.task_events import TaskEvent, read_event
from agentkit.errors import ConfigurationInvalid

__all__ = ["Exchange"]

_A = TypeVar("_A", bound=Answer)
_PREFIX = "/api/v1"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_ANSWER_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 45.0
"""Without even a heartbeat, of which one comes every 15 s; then the connection is dead."""
_LARGEST_EVENT = 64 * 1_048_576


class Exchange:
    """A pool of connections to one API; safe for concurrent use."""

    def __init__(self, url: str) -> None:
        """Take the API's base URL.

        Raises:
            ConfigurationInvalid: it isn't one.
        """
        self.url = url.rstrip("/")
        expected = "expected an address such as http://127.0.0.1:8000"
        try:
            parsed = URL(self.url)
        except InvalidURL as error:
            raise ConfigurationInvalid(f"{url}: {error}; {expected}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ConfigurationInvalid(f"{url}: {expected}")
        self._http = AsyncClient(
            base_url=self.url + _PREFIX,
            timeout=Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            limits=Limits(max_connections=None),  # each watched task holds one
            trust_env=parsed.host not in _LOOPBACK,  # no proxy between two processes of one machine
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def ask(
        self,
        kind: type[_A],
        path: str,
        *,
        params: Mapping[str, str | list[str]] | None = None,
        wait: float = 0,
    ) -> _A:
        """Get what is at ``path``; the API may take ``wait`` seconds longer than usual.

        Raises:
            ClientError: there was no such answer.
        """
        timeout = Timeout(_ANSWER_SECONDS + wait, connect=_CONNECT_SECONDS)
        with self._reaching():
            response = await self._http.get(path, params=params, timeout=timeout)
        return _read(kind, response)

    async def tell(
        self, kind: type[_A], path: str, body: Document | None = None, *, headers: Mapping[str, str] | None = None
    ) -> _A:
        """Post to ``path``.

        Raises:
            ClientError: it wasn't accepted.
        """
        with self._reaching():
            response = await self._http.post(path, json=body, headers=headers)
        return _read(kind, response)

    @asynccontextmanager
    async def listen(self, path: str, after: str | None) -> AsyncIterator[AsyncGenerator[TaskEvent, None] | None]:
        """Open a stream of events; None when there are none after ``after`` and there never will be.

        Raises:
            ClientError: it can't be opened, or, in reading, it broke.
        """
        headers = {} if after is None else {"Last-Event-ID": after}
        timeout = Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        with self._reaching():
            async with self._http.sse(path, headers=headers, timeout=timeout, max_event_size=_LARGEST_EVENT) as source:
                response = source.response
                if response.status_code == 204:
                    yield None
                    return
                if not response.is_success:
                    await response.aread()
                    raise refusal(response)
                async with aclosing(_events(source)) as events:
                    yield events

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except HTTPError as error:
            raise ApiUnreachable(
                f"Can't reach the API at {self.url} ({str(error) or type(error).__name__}).",
                passing=True,
                may_have_arrived=not isinstance(error, (ConnectError, ConnectTimeout)),
            ) from None


def _read(kind: type[_A], response: Response) -> _A:
    if not response.is_success:
        raise refusal(response)
    try:
        return kind.read(response.json())
    except ValueError:  # no JSON, or not what the API answers (pydantic's error is one, too)
        raise stranger(response) from None


async def _events(source: EventSource) -> AsyncGenerator[TaskEvent, None]:
    previous = ""
    try:
        async for sent in source:
            if not sent.data:
                continue
            # a live event has no id, and then the parser repeats the one before
            yield read_event(sent.data, sent.id if sent.id != previous else None)
            previous = sent.id
    except (SSEError, ValueError):  # no events, or none that the API sends (pydantic's error is a ValueError, too)
        raise stranger(source.response) from None
