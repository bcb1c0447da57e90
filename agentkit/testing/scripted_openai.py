"""A scripted server with OpenAI's APIs over real HTTP, to test agents without a model."""

from __future__ import annotations

import json
from typing import ClassVar

from agentkit.testing.http_connection import HTTPConnection, HTTPRequest
from agentkit.testing.openai_chat_format import chat_stream, unstreamed_chat_body
from agentkit.testing.openai_responses_format import responses_stream, unstreamed_responses_body
from agentkit.testing.scripted_embeddings import DEFAULT_DIMENSION, ReceivedEmbeddingRequest, hashed_vector
from agentkit.testing.scripted_server import JSON_HEADERS, ResponseStream, ScriptedServer, read_body
from agentkit.testing.server_script import ReceivedRequest, ServerFailure, ServerResponse

__all__ = ["ScriptedOpenAIServer"]


class ScriptedOpenAIServer(ScriptedServer):
    """Serves ``/v1/chat/completions``, ``/v1/responses``, ``/v1/embeddings`` and ``/v1/models`` on a free port of
    loopback.

    The script is a sequence of entries, used in order of arrival, or a function of the request (see
    ``script_by_step``, for parallel tasks)::

        call = ServerToolCall(name="clock")
        script = [ServerResponse(calls=(call,)), ServerResponse(text="It is noon.")]
        async with ScriptedOpenAIServer(script) as server:
            model = OpenAIModel(base_url=server.url)
            ...
        assert server.requests[1].messages[-1]["role"] == "tool"

    Requests for embeddings use the script as well; for ``ServerResponse()`` they get vectors of the texts' words.
    """

    _base_path: ClassVar[str] = "/v1"

    async def _route(self, request: HTTPRequest, connection: HTTPConnection) -> None:
        match request.method, request.path.removeprefix("/v1"):
            case "POST", "/chat/completions":
                await self._create(request, connection, "messages")
            case "POST", "/responses":
                await self._create(request, connection, "input")
            case "POST", "/embeddings":
                await self._embed(request, connection)
            case "GET", "/models":
                await connection.send_response(200, _model_list(), JSON_HEADERS)
            case _:
                await self._send_error(404, f"There is no {request.method} {request.path} here", connection)

    async def _create(self, request: HTTPRequest, connection: HTTPConnection, field: str) -> None:
        body = read_body(request, field)
        if body is None:
            return await self._send_error(400, f"The body is no JSON object with a list in {field!r}", connection)
        received = ReceivedRequest(self.request_count, request.headers, body)
        return await self._send_scripted(received, connection, streamed=bool(body.get("stream")))

    async def _embed(self, request: HTTPRequest, connection: HTTPConnection) -> None:
        body = read_body(request, "input")
        if body is None:
            return await self._send_error(400, "The body is no JSON object with a list in 'input'", connection)
        received = ReceivedEmbeddingRequest(self.request_count, request.headers, body, texts=body["input"])
        return await self._send_scripted(received, connection, streamed=False)

    def _error_body(self, failure: ServerFailure) -> bytes:
        error = {"message": failure.message, "type": failure.type, "param": None, "code": failure.code}
        return json.dumps({"error": error}).encode()

    def _response_body(self, response: ServerResponse, request: ReceivedRequest) -> bytes:
        if isinstance(request, ReceivedEmbeddingRequest):
            return _embeddings_body(request)
        return (
            unstreamed_responses_body(response, request)
            if "input" in request.body
            else unstreamed_chat_body(response, request)
        )

    def _response_stream(self, response: ServerResponse, request: ReceivedRequest) -> ResponseStream:
        return responses_stream(response, request) if "input" in request.body else chat_stream(response, request)


def _model_list() -> bytes:
    model = {"id": "scripted", "object": "model", "created": 0, "owned_by": "agentkit"}
    return json.dumps({"object": "list", "data": [model]}).encode()


def _embeddings_body(request: ReceivedEmbeddingRequest) -> bytes:
    dimension = request.body.get("dimensions", DEFAULT_DIMENSION)
    data = [
        {"object": "embedding", "index": index, "embedding": hashed_vector(text, dimension)}
        for index, text in enumerate(request.texts)
    ]
    usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
    body = {"object": "list", "data": data[::-1], "model": request.body.get("model"), "usage": usage}
    return json.dumps(body).encode()  # in any order: each has its index
