"""A scripted server that speaks OpenAI's Chat Completions over real HTTP, to test agents without a model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from agentkit.testing.http_exchange import Exchange, ExchangeOver, HTTPRequest
from agentkit.testing.openai_render import DONE, completion, events, failure_body, model_list
from agentkit.testing.openai_script import Failure, Raw, ReceivedRequest, Reply, Script, ScriptedAnswer, in_order

__all__ = ["ScriptedOpenAIServer"]

_JSON = {"content-type": "application/json"}


class ScriptedOpenAIServer:
    """Serves ``/v1/chat/completions`` and ``/v1/models`` on a free port of loopback.

    The script is a sequence of answers, given in order of arrival, or a function of the request (see ``by_step``,
    for many tasks at once)::

        async with ScriptedOpenAIServer([Reply(calls=(ReplyCall(name="clock"),)), Reply(text="It is noon.")]) as server:
            model = OpenAIModel(base_url=server.url)
            ...
        assert server.requests[1].messages[-1]["role"] == "tool"
    """

    def __init__(self, script: Sequence[ScriptedAnswer] | Script, *, port: int = 0, keep_requests: bool = True) -> None:
        """Set up; ``async with`` starts it.

        Args:
            script: what to answer.
            port: where to listen; 0 is any free port.
            keep_requests: False for benchmarks, where ``requests`` would grow large.
        """
        self._script = script if callable(script) else in_order(script)
        self._port = port
        self._keep = keep_requests
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self.requests: list[ReceivedRequest] = []
        """The requests for completions, in order of arrival."""
        self.request_count = 0
        """How many there were, also where they aren't kept."""
        self.connection_count = 0
        """How many connections clients have opened."""
        self.disconnect_count = 0
        """How many clients went away before they had their whole answer."""

    @property
    def url(self) -> str:
        """The base URL for clients, up to ``/v1``."""
        if self._server is None:
            raise RuntimeError("The server isn't started: use it as `async with ScriptedOpenAIServer(...) as server`")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def received(self, count: int = 1) -> None:
        """Wait until so many requests have come in, in all."""
        await self._wait_for(lambda: self.request_count >= count)

    async def disconnected(self, count: int = 1) -> None:
        """Wait until so many clients have gone away before they had their whole answer."""
        await self._wait_for(lambda: self.disconnect_count >= count)

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

    async def _route(self, request: HTTPRequest, exchange: Exchange) -> None:
        match request.method, request.path.removeprefix("/v1"):
            case "POST", "/chat/completions":
                await self._complete(request, exchange)
            case "GET", "/models":
                await exchange.answer(200, model_list(), _JSON)
            case _:
                failure = Failure(status=404, message=f"There is no {request.method} {request.path} here")
                await exchange.answer(404, failure_body(failure), _JSON)

    async def _complete(self, request: HTTPRequest, exchange: Exchange) -> None:
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            failure = Failure(status=400, message="The body is no JSON object with a list of messages")
            return await exchange.answer(400, failure_body(failure), _JSON)
        received = ReceivedRequest(self.request_count, request.headers, body)
        async with self._changed:
            self.request_count += 1
            if self._keep:
                self.requests.append(received)
            self._changed.notify_all()
        return await _give(self._script(received), received, exchange)


async def _give(answer: ScriptedAnswer, request: ReceivedRequest, exchange: Exchange) -> None:
    if answer.delay:
        await exchange.rest(answer.delay)
    match answer:
        case Failure():
            await exchange.answer(answer.status, failure_body(answer), {**_JSON, **answer.headers})
        case Raw():
            await exchange.answer(answer.status, answer.body.encode(), {"content-type": answer.content_type})
        case Reply() if request.body.get("stream"):
            await _stream(answer, request, exchange)
        case Reply():
            body = completion(answer, str(request.body.get("model")), request.number)
            await exchange.answer(200, body, _JSON)


async def _stream(reply: Reply, request: ReceivedRequest, exchange: Exchange) -> None:
    with_usage = bool((request.body.get("stream_options") or {}).get("include_usage"))
    chunks = events(reply, str(request.body.get("model")), request.number, with_usage=with_usage)
    if reply.fault is not None:
        chunks = chunks[: reply.fault_after]
    if not reply.pause:
        await exchange.begin_stream(*chunks)
    else:
        await exchange.begin_stream()
        for chunk in chunks:
            await exchange.send(chunk)
            await exchange.rest(reply.pause)
    match reply.fault:
        case None:
            await exchange.end_stream(DONE)
        case "cut":
            await exchange.end_stream()
        case "garbage":
            await exchange.end_stream(b'data: {"choices": [{"del\n\n', DONE)
        case "drop":
            exchange.drop()
        case "stall":
            await exchange.rest(None)
