"""A scripted server that speaks Google's Gemini API over real HTTP, to test agents without a model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentkit.testing.gemini_render import FAILURE, GARBAGE, answer, events, failure_body, model_list
from agentkit.testing.http_connection import Exchange, HTTPRequest
from agentkit.testing.scripted_server import JSON, Rendered, ScriptedServer, read_body
from agentkit.testing.server_script import ReceivedRequest, ServerFailure, ServerResponse

__all__ = ["ReceivedGeminiRequest", "ScriptedGeminiServer"]

_GENERATE = re.compile(r"/(v1|v1beta)/models/([^/:]+):(streamGenerateContent|generateContent)")


@dataclass(frozen=True, slots=True)
class ReceivedGeminiRequest(ReceivedRequest):
    """One request for an answer; what others say in the body, Gemini's address says."""

    version: str
    """Of the API: ``v1`` or ``v1beta``."""
    model: str


class ScriptedGeminiServer(ScriptedServer):
    """Serves ``streamGenerateContent``, ``generateContent`` and ``models`` on a free port of loopback.

    Its scripts are as OpenAI's; both versions of the API, ``v1`` and ``v1beta``, are the same::

        async with ScriptedGeminiServer([ServerResponse(text="It is noon.")]) as server:
            model = GoogleModel(base_url=server.url)
    """

    async def _route(self, request: HTTPRequest, exchange: Exchange) -> None:
        found = _GENERATE.fullmatch(request.path)
        if request.method == "POST" and found is not None:
            await self._answer(request, found, exchange)
        elif request.method == "GET" and request.path in ("/v1/models", "/v1beta/models"):
            await exchange.answer(200, model_list(), JSON)
        else:
            await self._refuse(404, f"There is no {request.method} {request.path} here", exchange)

    async def _answer(self, request: HTTPRequest, found: re.Match[str], exchange: Exchange) -> None:
        body = read_body(request, "contents")
        if body is None:
            return await self._refuse(400, "The body is no JSON object with a list of contents", exchange)
        received = ReceivedGeminiRequest(self.request_count, request.headers, body, version=found[1], model=found[2])
        return await self._give(received, exchange, streamed=found[3] == "streamGenerateContent")

    def _failure(self, failure: ServerFailure) -> bytes:
        return failure_body(failure)

    def _whole(self, reply: ServerResponse, request: ReceivedRequest) -> bytes:
        return answer(reply, _model(request), request.number)

    def _rendered(self, reply: ServerResponse, request: ReceivedRequest) -> Rendered:
        return Rendered(events(reply, _model(request), request.number), garbage=GARBAGE, failure=FAILURE)


def _model(request: ReceivedRequest) -> str:
    return request.model if isinstance(request, ReceivedGeminiRequest) else ""
