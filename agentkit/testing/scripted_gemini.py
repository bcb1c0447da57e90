"""A scripted server with Google's Gemini API over real HTTP, to test agents without a model."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from agentkit.testing.http_connection import HTTPConnection, HTTPRequest
from agentkit.testing.scripted_embeddings import DEFAULT_DIMENSION, ReceivedEmbeddingRequest, hashed_vector
from agentkit.testing.scripted_server import JSON_HEADERS, ResponseStream, ScriptedServer, read_body
from agentkit.testing.server_script import (
    JSONObject,
    ReceivedRequest,
    ServerFailure,
    ServerResponse,
    ServerToolCall,
)

__all__ = ["ReceivedGeminiRequest", "ScriptedGeminiServer"]

_GENERATE_PATH = re.compile(r"/(v1|v1beta)/models/([^/:]+):(streamGenerateContent|generateContent)")
_EMBED_PATH = re.compile(r"/(v1|v1beta)/models/([^/:]+):batchEmbedContents")
_MALFORMED_EVENT = b'data: {"candidates": [{"cont\r\n\r\n'
_FINISH_REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
"""Google's names of OpenAI's finish reasons."""
_ERROR_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@dataclass(frozen=True, slots=True)
class ReceivedGeminiRequest(ReceivedRequest):
    """One request for a model response; Gemini's URL holds what other providers have in the body."""

    version: str
    """The API's version: ``v1`` or ``v1beta``."""
    model: str


class ScriptedGeminiServer(ScriptedServer):
    """Serves ``streamGenerateContent``, ``generateContent``, ``batchEmbedContents`` and ``models`` in the versions
    ``v1`` and ``v1beta``.

    Its scripts are those of ``ScriptedOpenAIServer``::

        async with ScriptedGeminiServer([ServerResponse(text="It is noon.")]) as server:
            model = GoogleModel(base_url=server.url)
    """

    async def _route(self, request: HTTPRequest, connection: HTTPConnection) -> None:
        path_match = _GENERATE_PATH.fullmatch(request.path)
        if request.method == "POST" and path_match is not None:
            await self._generate(request, path_match, connection)
        elif request.method == "POST" and _EMBED_PATH.fullmatch(request.path):
            await self._embed(request, connection)
        elif request.method == "GET" and request.path in ("/v1/models", "/v1beta/models"):
            await connection.send_response(200, _model_list(), JSON_HEADERS)
        else:
            await self._send_error(404, f"There is no {request.method} {request.path} here", connection)

    async def _generate(self, request: HTTPRequest, path_match: re.Match[str], connection: HTTPConnection) -> None:
        body = read_body(request, "contents")
        if body is None:
            return await self._send_error(400, "The body is no JSON object with a list of contents", connection)
        version, model, method = path_match.groups()
        received = ReceivedGeminiRequest(self.request_count, request.headers, body, version=version, model=model)
        return await self._send_scripted(received, connection, streamed=method == "streamGenerateContent")

    async def _embed(self, request: HTTPRequest, connection: HTTPConnection) -> None:
        body = read_body(request, "requests")
        if body is None:
            return await self._send_error(400, "The body is no JSON object with a list of requests", connection)
        texts = [item["content"]["parts"][0]["text"] for item in body["requests"]]
        received = ReceivedEmbeddingRequest(self.request_count, request.headers, body, texts=texts)
        return await self._send_scripted(received, connection, streamed=False)

    def _error_body(self, failure: ServerFailure) -> bytes:
        status = failure.type or _ERROR_STATUSES.get(failure.status, "UNKNOWN")
        error: JSONObject = {"code": failure.status, "message": failure.message, "status": status}
        if failure.code is not None:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": failure.code}]
        return json.dumps({"error": error}).encode()

    def _response_body(self, response: ServerResponse, request: ReceivedRequest) -> bytes:
        if isinstance(request, ReceivedEmbeddingRequest):
            return _embeddings_body(request)
        unsplit = response.model_copy(update={"chunk_chars": sys.maxsize})
        return json.dumps(_last_chunk(unsplit, request, [*_parts(unsplit, request.number)])).encode()

    def _response_stream(self, response: ServerResponse, request: ReceivedRequest) -> ResponseStream:
        parts = [*_parts(response, request.number)]
        chunks = [_chunk(request, [part]) for part in parts[:-1]]
        chunks.append(_last_chunk(response, request, parts[-1:]))
        error: JSONObject = {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}
        return ResponseStream([_event(chunk) for chunk in chunks], _MALFORMED_EVENT, _event({"error": error}))


def _embeddings_body(request: ReceivedEmbeddingRequest) -> bytes:
    dimensions = [item.get("outputDimensionality", DEFAULT_DIMENSION) for item in request.body["requests"]]
    vectors = [hashed_vector(text, dimension) for text, dimension in zip(request.texts, dimensions, strict=True)]
    return json.dumps({"embeddings": [{"values": vector} for vector in vectors]}).encode()


def _parts(response: ServerResponse, number: int) -> Iterator[JsonValue]:
    for chunk in response.chunks(response.thinking):
        yield {"text": chunk, "thought": True}
    for chunk in response.chunks(response.text + response.refusal):
        yield {"text": chunk}
    for index, call in enumerate(response.calls):
        if isinstance(call.arguments, str):
            continue  # the API can't send these: it reports a malformed call at the end
        call_id = f"call-{number}-{index}" if call.id is None else call.id
        id_field: JSONObject = {"id": call_id} if call_id else {}
        part: JSONObject = {"functionCall": {**id_field, "name": call.name, "args": call.arguments}}
        if response.thinking and index == 0:
            part["thoughtSignature"] = base64.b64encode(f"signature-{number}".encode()).decode()
        yield part


def _chunk(request: ReceivedRequest, parts: list[JsonValue], ending: JSONObject | None = None) -> JSONObject:
    content: JSONObject = {"role": "model", **({"parts": parts} if parts else {})}
    return {
        "candidates": [{"content": content, "index": 0, **(ending or {})}],
        "modelVersion": request.model if isinstance(request, ReceivedGeminiRequest) else "",
        "responseId": f"response-{request.number}",
    }


def _last_chunk(response: ServerResponse, request: ReceivedRequest, parts: list[JsonValue]) -> JSONObject:
    """Return the chunk with the finish reason and the usage."""
    malformed_call = next((call for call in response.calls if isinstance(call.arguments, str)), None)
    chunk = _chunk(request, parts, _finish(response, malformed_call))
    return {**chunk, "usageMetadata": _usage(response)} if response.send_usage else chunk


def _finish(response: ServerResponse, malformed_call: ServerToolCall | None) -> JSONObject:
    if malformed_call is not None:
        message = f"Malformed function call: {malformed_call.name}({malformed_call.arguments})"
        return {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": message}
    if response.finish_reason is not None:
        return {"finishReason": _FINISH_REASONS.get(response.finish_reason, response.finish_reason)}
    return {"finishReason": "SAFETY" if response.refusal else "STOP"}


def _usage(response: ServerResponse) -> JSONObject:
    input_tokens, output_tokens, cached_tokens = response.token_counts
    thinking_tokens = min(response.thinking_tokens, output_tokens)
    return {
        "promptTokenCount": input_tokens,
        "candidatesTokenCount": output_tokens - thinking_tokens,
        "thoughtsTokenCount": thinking_tokens,
        "cachedContentTokenCount": cached_tokens,
        "totalTokenCount": input_tokens + output_tokens,
    }


def _event(data: JSONObject) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\r\n\r\n"  # Google ends lines with CR LF


def _model_list() -> bytes:
    model = {"name": "models/scripted", "supportedGenerationMethods": ["generateContent"]}
    return json.dumps({"models": [model]}).encode()
