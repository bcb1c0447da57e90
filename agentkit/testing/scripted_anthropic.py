"""A scripted server with Anthropic's Messages API over real HTTP, to test agents without a model."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from agentkit.testing.http_connection import HTTPConnection, HTTPRequest
from agentkit.testing.scripted_server import JSON_HEADERS, ResponseStream, ScriptedServer, encode_event, read_body
from agentkit.testing.server_script import JSONObject, ReceivedRequest, ServerFailure, ServerResponse

__all__ = ["ScriptedAnthropicServer"]

_MALFORMED_EVENT = b'event: content_block_delta\ndata: {"type": "content_bl\n\n'
_STOP_REASONS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
"""Anthropic's names of OpenAI's finish reasons."""
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class ScriptedAnthropicServer(ScriptedServer):
    """Serves ``/v1/messages`` and ``/v1/models``; its scripts are those of ``ScriptedOpenAIServer``.

    ::

        async with ScriptedAnthropicServer([ServerResponse(text="It is noon.")]) as server:
            model = AnthropicModel(base_url=server.url)
    """

    async def _route(self, request: HTTPRequest, connection: HTTPConnection) -> None:
        match request.method, request.path:
            case "POST", "/v1/messages":
                await self._create_message(request, connection)
            case "GET", "/v1/models":
                await connection.send_response(200, _model_list(), JSON_HEADERS)
            case _:
                await self._send_error(404, f"There is no {request.method} {request.path} here", connection)

    async def _create_message(self, request: HTTPRequest, connection: HTTPConnection) -> None:
        body = read_body(request, "messages")
        if body is None or not isinstance(body.get("max_tokens"), int):
            return await self._send_error(
                400, "The body is no JSON object with a list of messages and max_tokens", connection
            )
        received = ReceivedRequest(self.request_count, request.headers, body)
        return await self._send_scripted(received, connection, streamed=bool(body.get("stream")))

    def _error_body(self, failure: ServerFailure) -> bytes:
        default_type = "api_error" if failure.status >= 500 else "invalid_request_error"
        error_type = failure.type or _ERROR_TYPES.get(failure.status, default_type)
        error: JSONObject = {"type": error_type, "message": failure.message}
        if failure.code is not None:
            error["details"] = {"error_code": failure.code}
        return json.dumps({"type": "error", "error": error, "request_id": "req_scripted"}).encode()

    def _response_body(self, response: ServerResponse, request: ReceivedRequest) -> bytes:
        content: list[JsonValue] = [_with_parsed_input(block) for block in _blocks(response, request.number)]
        message = _message(request, content, _stop_reason(response))
        if response.send_usage:
            message["usage"] = _usage(response)
        return json.dumps(message).encode()

    def _response_stream(self, response: ServerResponse, request: ReceivedRequest) -> ResponseStream:
        error: JSONObject = {"type": "overloaded_error", "message": "Overloaded"}
        events = [_event(data) for data in _events(response, request)]
        return ResponseStream(events, _MALFORMED_EVENT, _event({"type": "error", "error": error}))


def _events(response: ServerResponse, request: ReceivedRequest) -> Iterator[JSONObject]:
    start = _message(request, [], None)
    if response.send_usage:
        start["usage"] = _usage(response) | {"output_tokens": 1}
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(_blocks(response, request.number)):
        empty_block, deltas = _split_block(block, response)
        yield {"type": "content_block_start", "index": index, "content_block": empty_block}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end: JSONObject = {"type": "message_delta", "delta": {"stop_reason": _stop_reason(response), "stop_sequence": None}}
    if response.send_usage:
        end["usage"] = {"output_tokens": _usage(response)["output_tokens"]}
    yield end
    yield {"type": "message_stop"}


def _message(request: ReceivedRequest, content: list[JsonValue], stop_reason: str | None) -> JSONObject:
    """Return a message in Anthropic's format, without usage; it has no content yet where it starts a stream."""
    return {
        "id": f"msg_{request.number}",
        "type": "message",
        "role": "assistant",
        "model": str(request.body.get("model")),
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }


def _blocks(response: ServerResponse, number: int) -> Iterator[JSONObject]:
    """Return the content blocks; the input of a call is still text."""
    if response.thinking:
        yield {"type": "thinking", "thinking": response.thinking, "signature": f"signature-{number}"}
    if response.text or response.refusal:
        yield {"type": "text", "text": response.text + response.refusal}
    for index, call in enumerate(response.calls):
        call_id = f"toolu_{number}_{index}" if call.id is None else call.id
        yield {"type": "tool_use", "id": call_id, "name": call.name, "input": call.arguments_text}


def _with_parsed_input(block: JSONObject) -> JSONObject:
    """Return a block as it is in a message that isn't streamed, where arguments must be JSON."""
    return block | {"input": json.loads(str(block["input"]))} if "input" in block else block


def _split_block(block: JSONObject, response: ServerResponse) -> tuple[JSONObject, list[JSONObject]]:
    """Return the empty block that starts a streamed block, and the deltas that fill it."""
    match block["type"]:
        case "thinking":
            deltas: list[JSONObject] = [
                {"type": "thinking_delta", "thinking": chunk} for chunk in response.chunks(str(block["thinking"]))
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return block | {"thinking": "", "signature": ""}, deltas
        case "text":
            texts = response.chunks(str(block["text"]))
            return block | {"text": ""}, [{"type": "text_delta", "text": chunk} for chunk in texts]
        case _:
            inputs = ("", *response.chunks(str(block["input"])))
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": chunk} for chunk in inputs]


def _stop_reason(response: ServerResponse) -> str:
    if response.finish_reason is not None:
        return _STOP_REASONS.get(response.finish_reason, response.finish_reason)
    if response.refusal:
        return "refusal"
    return "tool_use" if response.calls else "end_turn"


def _usage(response: ServerResponse) -> JSONObject:
    input_tokens, output_tokens, cached_tokens = response.token_counts
    return {
        "input_tokens": input_tokens - cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached_tokens,
        "output_tokens": output_tokens,
    }


def _event(data: JSONObject) -> bytes:
    return encode_event(data, str(data["type"]))


def _model_list() -> bytes:
    model = {
        "type": "model",
        "id": "scripted",
        "display_name": "Scripted",
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
    }
    return json.dumps({"data": [model], "has_more": False, "first_id": "scripted", "last_id": "scripted"}).encode()
