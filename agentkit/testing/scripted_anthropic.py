"""A scripted server that speaks Anthropic's Messages API over real HTTP, to test agents without a model."""

from __future__ import annotations

from agentkit.testing.anthropic_render import FAILURE, GARBAGE, events, failure_body, message, model_list
from agentkit.testing.http_connection import Exchange, HTTPRequest
from agentkit.testing.scripted_server import JSON, Rendered, ScriptedServer, read_body
from agentkit.testing.server_script import ReceivedRequest, ServerFailure, ServerResponse

__all__ = ["ScriptedAnthropicServer"]


class ScriptedAnthropicServer(ScriptedServer):
    """Serves ``/v1/messages`` and ``/v1/models`` on a free port of loopback; its scripts are as OpenAI's.

    ::

        async with ScriptedAnthropicServer([ServerResponse(text="It is noon.")]) as server:
            model = AnthropicModel(base_url=server.url)
    """

    async def _route(self, request: HTTPRequest, exchange: Exchange) -> None:
        match request.method, request.path:
            case "POST", "/v1/messages":
                await self._answer(request, exchange)
            case "GET", "/v1/models":
                await exchange.answer(200, model_list(), JSON)
            case _:
                await self._refuse(404, f"There is no {request.method} {request.path} here", exchange)

    async def _answer(self, request: HTTPRequest, exchange: Exchange) -> None:
        body = read_body(request, "messages")
        if body is None or not isinstance(body.get("max_tokens"), int):
            return await self._refuse(
                400, "The body is no JSON object with a list of messages and max_tokens", exchange
            )
        received = ReceivedRequest(self.request_count, request.headers, body)
        return await self._give(received, exchange, streamed=bool(body.get("stream")))

    def _failure(self, failure: ServerFailure) -> bytes:
        return failure_body(failure)

    def _whole(self, reply: ServerResponse, request: ReceivedRequest) -> bytes:
        return message(reply, str(request.body.get("model")), request.number)

    def _rendered(self, reply: ServerResponse, request: ReceivedRequest) -> Rendered:
        return Rendered(events(reply, str(request.body.get("model")), request.number), garbage=GARBAGE, failure=FAILURE)
