"""What scripted servers share, whatever wire format they speak: connections, the script, and how answers go wrong."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

from agentkit.testing.http_connection import Exchange, ExchangeOver, HTTPRequest
from agentkit.testing.server_script import (
    RawResponse,
    ReceivedRequest,
    ServerFailure,
    ServerResponse,
    ServerScript,
    ServerScriptEntry,
    script_in_order,
)

__all__ = ["JSON", "Rendered", "ScriptedServer", "read_body"]

JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A streamed reply, as one provider words it."""

    events: Sequence[bytes]
    garbage: bytes
    """An event that is no JSON."""
    end: bytes = b""
    """What comes after the last event."""
    failure: bytes = b""
    """An event that says that the provider failed."""


class ScriptedServer(ABC):
    """Answers what its script says, on a free port of loopback, over real HTTP."""

    _path: ClassVar[str] = ""

    def __init__(
        self, script: Sequence[ServerScriptEntry] | ServerScript, *, port: int = 0, keep_requests: bool = True
    ) -> None:
        """Set up; ``async with`` starts it.

        Args:
            script: what to answer: in order of arrival, or by a function of the request.
            port: where to listen; 0 is any free port.
            keep_requests: False for benchmarks, where ``requests`` would grow large.
        """
        self._script = script if callable(script) else script_in_order(script)
        self._port = port
        self._keep = keep_requests
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self.requests: list[ReceivedRequest] = []
        """The requests for answers, in order of arrival."""
        self.request_count = 0
        """How many there were, also where they aren't kept."""
        self.connection_count = 0
        """How many connections clients have opened."""
        self.disconnect_count = 0
        """How many clients went away before they had their whole answer."""

    @property
    def url(self) -> str:
        """The base URL for clients."""
        if self._server is None:
            name = type(self).__name__
            raise RuntimeError(f"The server isn't started: use it as `async with {name}(...) as server`")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self._path}"

    async def wait_for_requests(self, count: int = 1) -> None:
        """Wait until so many requests have come in, in all."""
        await self._wait_for(lambda: self.request_count >= count)

    async def wait_for_disconnects(self, count: int = 1) -> None:
        """Wait until so many clients have gone away before they had their whole answer."""
        await self._wait_for(lambda: self.disconnect_count >= count)

    @abstractmethod
    async def _route(self, request: HTTPRequest, exchange: Exchange) -> None:
        """Answer one request."""

    @abstractmethod
    def _failure(self, failure: ServerFailure) -> bytes:
        """Return the body of an error."""

    @abstractmethod
    def _whole(self, reply: ServerResponse, request: ReceivedRequest) -> bytes:
        """Return the body of a reply that isn't streamed."""

    @abstractmethod
    def _rendered(self, reply: ServerResponse, request: ReceivedRequest) -> Rendered:
        """Return the events of a reply that is."""

    async def _refuse(self, status: int, message: str, exchange: Exchange) -> None:
        """Answer what isn't in the script."""
        await exchange.answer(status, self._failure(ServerFailure(status=status, message=message)), JSON)

    async def _give(self, request: ReceivedRequest, exchange: Exchange, *, streamed: bool) -> None:
        """Count the request in, and answer as the script says."""
        async with self._changed:
            self.request_count += 1
            if self._keep:
                self.requests.append(request)
            self._changed.notify_all()
        answer = self._script(request)
        if answer.delay:
            await exchange.rest(answer.delay)
        match answer:
            case ServerFailure():
                await exchange.answer(answer.status, self._failure(answer), {**JSON, **answer.headers})
            case RawResponse():
                await exchange.answer(answer.status, answer.body.encode(), {"content-type": answer.content_type})
            case ServerResponse() if streamed:
                await _stream(answer, self._rendered(answer, request), exchange)
            case ServerResponse():
                await exchange.answer(200, self._whole(answer, request), JSON)

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

    async def _wait_for(self, reached: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(reached)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        self.connection_count += 1
        exchange = Exchange(reader, writer)
        try:
            while request := await exchange.read():
                await self._route(request, exchange)
        except ExchangeOver:
            async with self._changed:
                self.disconnect_count += 1
                self._changed.notify_all()
        except asyncio.CancelledError:
            exchange.drop()  # the server stops: the task ends here, and asyncio has nothing to report
        finally:
            writer.close()


def read_body(request: HTTPRequest, field: str) -> dict[str, Any] | None:
    """Return the body, if it is a JSON object with a list in that field."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) and isinstance(body.get(field), list) else None


async def _stream(reply: ServerResponse, rendered: Rendered, exchange: Exchange) -> None:
    events = rendered.events if reply.fault is None else rendered.events[: reply.fault_after]
    if not reply.pause:
        await exchange.begin_stream(*events)
    else:
        await exchange.begin_stream()
        for event in events:
            await exchange.send(event)
            await exchange.rest(reply.pause)
    match reply.fault:
        case None:
            await exchange.end_stream(*filter(None, (rendered.end,)))
        case "cut":
            await exchange.end_stream()
        case "error":
            await exchange.end_stream(*filter(None, (rendered.failure, rendered.end)))
        case "garbage":
            await exchange.end_stream(*filter(None, (rendered.garbage, rendered.end)))
        case "drop":
            exchange.drop()
        case "stall":
            await exchange.rest(None)
