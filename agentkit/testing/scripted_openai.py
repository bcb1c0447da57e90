"""A scripted server that speaks OpenAI's APIs over real HTTP, to test agents without a model."""

from __future__ import annotations

from typing import ClassVar

from agentkit.testing.http_connection import Exchange, HTTPRequest
from agentkit.testing.openai_render import DONE, completion, events, failure_body, failure_event, model_list
from agentkit.testing.responses_render import failed_event, response, response_events
from agentkit.testing.scripted_server import JSON, Rendered, ScriptedServer, read_body
from agentkit.testing.server_script import ReceivedRequest, ServerFailure, ServerResponse

__all__ = ["ScriptedOpenAIServer"]


class ScriptedOpenAIServer(ScriptedServer):
    """Serves ``/v1/chat/completions``, ``/v1/responses`` and ``/v1/models`` on a free port of loopback.

    The script is a sequence of answers, given in order of arrival, or a function of the request (see ``script_by_step``,
    for many tasks at once)::

        async with ScriptedOpenAIServer([ServerResponse(calls=(ServerToolCall(name="clock"),)), ServerResponse(text="It is noon.")]) as server:
            model = OpenAIModel(base_url=server.url)
            ...
        assert server.requests[1].messages[-1]["role"] == "tool"
    """

    _path: ClassVar[str] = "/v1"

    async def _route(self, request: HTTPRequest, exchange: Exchange) -> None:
        match request.method, request.path.removeprefix("/v1"):
            case "POST", "/chat/completions":
                await self._complete(request, exchange, "messages")
            case "POST", "/responses":
                await self._complete(request, exchange, "input")
            case "GET", "/models":
                await exchange.answer(200, model_list(), JSON)
            case _:
                await self._refuse(404, f"There is no {request.method} {request.path} here", exchange)

    async def _complete(self, request: HTTPRequest, exchange: Exchange, field: str) -> None:
        body = read_body(request, field)
        if body is None:
            return await self._refuse(400, f"The body is no JSON object with a list in {field!r}", exchange)
        received = ReceivedRequest(self.request_count, request.headers, body)
        return await self._give(received, exchange, streamed=bool(body.get("stream")))

    def _failure(self, failure: ServerFailure) -> bytes:
        return failure_body(failure)

    def _whole(self, reply: ServerResponse, request: ReceivedRequest) -> bytes:
        if "input" in request.body:
            return response(reply, request)
        return completion(reply, str(request.body.get("model")), request.number)

    def _rendered(self, reply: ServerResponse, request: ReceivedRequest) -> Rendered:
        if "input" in request.body:
            written = response_events(reply, request)
            return Rendered(written, garbage=b'data: {"type": "respo\n\n', failure=failed_event(request))
        model = str(request.body.get("model"))
        with_usage = bool((request.body.get("stream_options") or {}).get("include_usage"))
        return Rendered(
            events(reply, model, request.number, with_usage=with_usage),
            garbage=b'data: {"choices": [{"del\n\n',
            end=DONE,
            failure=failure_event(model, request.number),
        )
