"""The base of scripted servers, whatever the provider's format: connections, the script, and faults in a stream."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

from agentkit.testing.http_connection import ConnectionEnded, HTTPConnection, HTTPRequest
from agentkit.testing.server_script import (
    JSONObject,
    RawResponse,
    ReceivedRequest,
    ServerFailure,
    ServerResponse,
    ServerScript,
    ServerScriptEntry,
    script_in_order,
)

__all__ = ["JSON_HEADERS", "ResponseStream", "ScriptedServer", "encode_event", "read_body"]

JSON_HEADERS = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class ResponseStream:
    """A streamed model response in a provider's format."""

    events: Sequence[bytes]
    malformed_event: bytes
    """An event that is not JSON."""
    error_event: bytes
    """An event that reports an error of the provider."""
    end: bytes = b""
    """Bytes sent after the last event."""


class ScriptedServer(ABC):
    """Responds from a script, on a free port of loopback, over real HTTP."""

    _base_path: ClassVar[str] = ""

    def __init__(
        self, script: Sequence[ServerScriptEntry] | ServerScript, *, port: int = 0, keep_requests: bool = True
    ) -> None:
        """Prepare the server; ``async with`` starts it.

        Args:
            script: responses in order of arrival, or a function from request to response.
            port: the port to listen on; 0 is any free port.
            keep_requests: False for benchmarks, where ``requests`` would grow large.
        """
        self._script = script if callable(script) else script_in_order(script)
        self._port = port
        self._keep_requests = keep_requests
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._counts_changed = asyncio.Condition()
        self.requests: list[ReceivedRequest] = []
        """The requests for model responses, in order of arrival."""
        self.request_count = 0
        """Number of requests for model responses, also when they aren't kept."""
        self.connection_count = 0
        """Number of connections that clients have opened."""
        self.disconnect_count = 0
        """Number of clients that disconnected before the end of their response."""

    @property
    def url(self) -> str:
        """The base URL for clients."""
        if self._server is None:
            name = type(self).__name__
            raise RuntimeError(f"The server isn't started: use it as `async with {name}(...) as server`")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self._base_path}"

    async def wait_for_requests(self, count: int = 1) -> None:
        """Wait until ``request_count`` is at least ``count``."""
        await self._wait_until(lambda: self.request_count >= count)

    async def wait_for_disconnects(self, count: int = 1) -> None:
        """Wait until ``disconnect_count`` is at least ``count``."""
        await self._wait_until(lambda: self.disconnect_count >= count)

    @abstractmethod
    async def _route(self, request: HTTPRequest, connection: HTTPConnection) -> None:
        """Respond to one HTTP request."""

    @abstractmethod
    def _error_body(self, failure: ServerFailure) -> bytes:
        """Return the body of an error response."""

    @abstractmethod
    def _response_body(self, response: ServerResponse, request: ReceivedRequest) -> bytes:
        """Return the body of a response that isn't streamed."""

    @abstractmethod
    def _response_stream(self, response: ServerResponse, request: ReceivedRequest) -> ResponseStream:
        """Return the events of a streamed response."""

    async def _send_error(self, status: int, message: str, connection: HTTPConnection) -> None:
        """Reject a request that doesn't ask for a model response."""
        body = self._error_body(ServerFailure(status=status, message=message))
        await connection.send_response(status, body, JSON_HEADERS)

    async def _send_scripted(self, request: ReceivedRequest, connection: HTTPConnection, *, streamed: bool) -> None:
        """Count the request, and send the response that the script has for it."""
        async with self._counts_changed:
            self.request_count += 1
            if self._keep_requests:
                self.requests.append(request)
            self._counts_changed.notify_all()
        entry = self._script(request)
        if entry.delay:
            await connection.wait(entry.delay)
        match entry:
            case ServerFailure():
                headers = {**JSON_HEADERS, **entry.headers}
                await connection.send_response(entry.status, self._error_body(entry), headers)
            case RawResponse():
                headers = {"content-type": entry.content_type, **entry.headers}
                await connection.send_response(entry.status, entry.body.encode(), headers)
            case ServerResponse() if streamed:
                await _send_stream(entry, self._response_stream(entry, request), connection)
            case ServerResponse():
                await connection.send_response(200, self._response_body(entry, request), JSON_HEADERS)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _wait_until(self, reached: Callable[[], bool]) -> None:
        async with self._counts_changed:
            await self._counts_changed.wait_for(reached)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        self.connection_count += 1
        connection = HTTPConnection(reader, writer)
        try:
            while request := await connection.read_request():
                await self._route(request, connection)
        except ConnectionEnded:
            async with self._counts_changed:
                self.disconnect_count += 1
                self._counts_changed.notify_all()
        except asyncio.CancelledError:
            connection.abort()  # not raised again: the server stops, and asyncio would log a cancelled handler
        finally:
            writer.close()


def read_body(request: HTTPRequest, field: str) -> dict[str, Any] | None:
    """Return the body if it is a JSON object with a list in ``field``, else None."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) and isinstance(body.get(field), list) else None


def encode_event(data: JSONObject, name: str | None = None) -> bytes:
    """Return a server-sent event."""
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


async def _send_stream(response: ServerResponse, stream: ResponseStream, connection: HTTPConnection) -> None:
    events = stream.events if response.fault is None else stream.events[: response.fault_after]
    if not response.pause:
        await connection.start_stream(*events)
    else:
        await connection.start_stream()
        for event in events:
            await connection.send_events(event)
            await connection.wait(response.pause)
    match response.fault:
        case None:
            await connection.end_stream(*filter(None, (stream.end,)))
        case "cut":
            await connection.end_stream()
        case "error":
            await connection.end_stream(*filter(None, (stream.error_event, stream.end)))
        case "garbage":
            await connection.end_stream(*filter(None, (stream.malformed_event, stream.end)))
        case "drop":
            connection.abort()
        case "stall":
            await connection.wait(None)
