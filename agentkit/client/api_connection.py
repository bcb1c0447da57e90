"""HTTP requests and event streams of one API, with its errors as exceptions."""

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
from agentkit.client.problem_errors import error_from_response, unexpected_response
from agentkit.client.resources import ApiObject, JsonObject
from agentkit.client.task_events import TaskEvent, parse_event
from agentkit.errors import ConfigurationInvalid

__all__ = ["ApiConnection"]

_T = TypeVar("_T", bound=ApiObject)
_EventStream = AsyncGenerator[TaskEvent, None]
_PREFIX = "/api/v1"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_RESPONSE_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0
_STREAM_IDLE_TIMEOUT_S = 45.0
"""The API sends a heartbeat every 15 s; three missing ones mean that the connection is dead."""
_MAX_EVENT_BYTES = 64 * 1_048_576
"""An output or a tool result may exceed httpx2's default of 1 MiB."""


class ApiConnection:
    """A pool of connections to one API; safe for concurrent use."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        """Prepare connections to the API's base URL; none is opened yet. Each request has the key, if there is one.

        Raises:
            ConfigurationInvalid: ``url`` is not an HTTP URL, or the key can't be sent in a header.
        """
        self.url = url.rstrip("/")
        expected = "expected an address such as http://127.0.0.1:8000"
        try:
            parsed = URL(self.url)
        except InvalidURL as error:
            raise ConfigurationInvalid(f"{url}: {error}; {expected}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ConfigurationInvalid(f"{url}: {expected}")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
            raise ConfigurationInvalid("The API key has spaces, line ends or other characters that keys don't have")
        self._http = AsyncClient(
            base_url=self.url + _PREFIX,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
            timeout=Timeout(_RESPONSE_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
            limits=Limits(max_connections=None),  # each watched task holds one
            trust_env=parsed.host not in _LOOPBACK,  # no proxy between two processes of one machine
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(
        self,
        kind: type[_T],
        path: str,
        *,
        params: Mapping[str, str | list[str]] | None = None,
        wait: float = 0,
    ) -> _T:
        """Return the object at ``path``; ``wait`` extends the response timeout by as many seconds.

        Raises:
            ClientError: the API reported an error, or could not be reached.
        """
        timeout = Timeout(_RESPONSE_TIMEOUT_S + wait, connect=_CONNECT_TIMEOUT_S)
        with self._transport_errors():
            response = await self._http.get(path, params=params, timeout=timeout)
        return _parse(kind, response)

    async def post(
        self,
        kind: type[_T],
        path: str,
        body: JsonObject | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        wait: float = 0,
    ) -> _T:
        """Post ``body`` to ``path`` and return the object in the response; ``wait`` is as for ``get``.

        Raises:
            ClientError: the API reported an error, or could not be reached.
        """
        timeout = Timeout(_RESPONSE_TIMEOUT_S + wait, connect=_CONNECT_TIMEOUT_S)
        with self._transport_errors():
            response = await self._http.post(path, json=body, headers=headers, timeout=timeout)
        return _parse(kind, response)

    async def post_lines(
        self, kind: type[_T], path: str, content: bytes, *, params: Mapping[str, str], wait: float = 0
    ) -> _T:
        """Post lines of JSON to ``path`` and return the object in the response; ``wait`` is as for ``get``.

        Raises:
            ClientError: the API reported an error, or could not be reached.
        """
        timeout = Timeout(_RESPONSE_TIMEOUT_S + wait, connect=_CONNECT_TIMEOUT_S)
        headers = {"Content-Type": "application/jsonl"}
        with self._transport_errors():
            response = await self._http.post(path, params=params, content=content, headers=headers, timeout=timeout)
        return _parse(kind, response)

    async def patch(self, kind: type[_T], path: str, body: JsonObject) -> _T:
        """Change what is at ``path``, and return the object in the response.

        Raises:
            ClientError: the API reported an error, or could not be reached.
        """
        with self._transport_errors():
            response = await self._http.patch(path, json=body)
        return _parse(kind, response)

    async def delete(self, path: str, *, params: Mapping[str, str | list[str]] | None = None) -> JsonObject:
        """Delete what is at ``path``, and return the object in the response; an empty one without a body.

        Raises:
            ClientError: the API reported an error, or could not be reached.
        """
        with self._transport_errors():
            response = await self._http.delete(path, params=params)
        if response.is_success and not response.content:
            return {}
        return _parse(ApiObject, response).raw

    @asynccontextmanager
    async def stream_events(self, path: str, after: str | None) -> AsyncIterator[_EventStream | None]:
        """Open the event stream at ``path``, after position ``after``; None when that was the last event.

        Raises:
            ClientError: the stream could not be opened, or broke while it was read.
        """
        headers = {} if after is None else {"Last-Event-ID": after}
        timeout = Timeout(_STREAM_IDLE_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
        with self._transport_errors():
            async with self._http.sse(
                path, headers=headers, timeout=timeout, max_event_size=_MAX_EVENT_BYTES
            ) as source:
                response = source.response
                if response.status_code == 204:
                    yield None
                    return
                if not response.is_success:
                    await response.aread()
                    raise error_from_response(response)
                async with aclosing(_events(source)) as events:
                    yield events

    @asynccontextmanager
    async def stream_bytes(self, path: str, params: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open what is at ``path``, of any size and media type; yield its bytes in blocks.

        Raises:
            ClientError: the API reported an error, or could not be reached, or the connection broke.
        """
        with self._transport_errors():
            async with self._http.stream("GET", path, params=params) as response:
                if not response.is_success:
                    await response.aread()
                    raise error_from_response(response)
                yield response.aiter_bytes()

    @contextmanager
    def _transport_errors(self) -> Iterator[None]:
        try:
            yield
        except HTTPError as error:
            raise ApiUnreachable(
                f"Can't reach the API at {self.url} ({str(error) or type(error).__name__}).",
                temporary=True,
                may_have_arrived=not isinstance(error, (ConnectError, ConnectTimeout)),
            ) from None


def _parse(kind: type[_T], response: Response) -> _T:
    if not response.is_success:
        raise error_from_response(response)
    try:
        return kind.from_json(response.json())
    except ValueError:  # no JSON, or another shape (pydantic's ValidationError is a ValueError)
        raise unexpected_response(response) from None


async def _events(source: EventSource) -> _EventStream:
    previous_id = ""
    try:
        async for sent in source:
            if not sent.data:
                continue
            # a live event has no id, and then the parser repeats the previous one
            yield parse_event(sent.data, sent.id if sent.id != previous_id else None)
            previous_id = sent.id
    except (SSEError, ValueError):  # no event stream, or another shape (pydantic's ValidationError is a ValueError)
        raise unexpected_response(source.response) from None
