"""Render scripted answers in Anthropic's Messages format."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from agentkit.testing.openai_render import call_arguments, estimated_tokens, pieces
from agentkit.testing.server_script import ServerFailure, ServerResponse

__all__ = ["FAILURE", "GARBAGE", "events", "failure_body", "message", "model_list"]

GARBAGE = b'event: content_block_delta\ndata: {"type": "content_bl\n\n'
FAILURE = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'

_JSON = dict[str, JsonValue]
_STOPS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
_TYPES = {
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


def events(reply: ServerResponse, model: str, number: int) -> list[bytes]:
    """Return the server-sent events of a streamed reply."""
    begun = _message([], None, model, number)
    if reply.send_usage:
        begun["usage"] = _usage(reply) | {"output_tokens": 1}
    rendered = [_event({"type": "message_start", "message": begun})]
    for index, block in enumerate(_blocks(reply, number)):
        blank, deltas = _unfilled(block, reply.chunk_chars)
        rendered.append(_event({"type": "content_block_start", "index": index, "content_block": blank}))
        if index == 0:
            rendered.append(_event({"type": "ping"}))
        rendered += [_event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
        rendered.append(_event({"type": "content_block_stop", "index": index}))
    end: _JSON = {"type": "message_delta", "delta": {"stop_reason": _stop_reason(reply), "stop_sequence": None}}
    if reply.send_usage:
        end["usage"] = {"output_tokens": _usage(reply)["output_tokens"]}
    return [*rendered, _event(end), _event({"type": "message_stop"})]


def message(reply: ServerResponse, model: str, number: int) -> bytes:
    """Return a reply that isn't streamed."""
    content: list[JsonValue] = [_parsed(block) for block in _blocks(reply, number)]
    written = _message(content, _stop_reason(reply), model, number)
    if reply.send_usage:
        written["usage"] = _usage(reply)
    return json.dumps(written).encode()


def failure_body(failure: ServerFailure) -> bytes:
    """Return an error as Anthropic words it."""
    kind = failure.type or _TYPES.get(failure.status, "api_error" if failure.status >= 500 else "invalid_request_error")
    error: _JSON = {"type": kind, "message": failure.message}
    if failure.code is not None:
        error["details"] = {"error_code": failure.code}
    return json.dumps({"type": "error", "error": error, "request_id": "req_scripted"}).encode()


def model_list() -> bytes:
    """Return what ``GET /v1/models`` gives."""
    model = {
        "type": "model",
        "id": "scripted",
        "display_name": "Scripted",
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
    }
    return json.dumps({"data": [model], "has_more": False, "first_id": "scripted", "last_id": "scripted"}).encode()


def _message(content: list[JsonValue], stop_reason: str | None, model: str, number: int) -> _JSON:
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }


def _blocks(reply: ServerResponse, number: int) -> Iterator[_JSON]:
    """Return the whole blocks; the input of a call is text still."""
    if reply.thinking:
        yield {"type": "thinking", "thinking": reply.thinking, "signature": f"signature-{number}"}
    if reply.text or reply.refusal:
        yield {"type": "text", "text": reply.text + reply.refusal}
    for place, call in enumerate(reply.calls):
        call_id = f"toolu_{number}_{place}" if call.id is None else call.id
        yield {"type": "tool_use", "id": call_id, "name": call.name, "input": call_arguments(call)}


def _parsed(block: _JSON) -> _JSON:
    """Return a whole block as it stands in a whole message; arguments that are no JSON can't stand there."""
    return block | {"input": json.loads(str(block["input"]))} if "input" in block else block


def _unfilled(block: _JSON, size: int) -> tuple[_JSON, list[_JSON]]:
    """Return a block as it begins, and the deltas that fill it."""
    match block["type"]:
        case "thinking":
            deltas: list[_JSON] = [
                {"type": "thinking_delta", "thinking": piece} for piece in pieces(str(block["thinking"]), size)
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return block | {"thinking": "", "signature": ""}, deltas
        case "text":
            texts = pieces(str(block["text"]), size)
            return block | {"text": ""}, [{"type": "text_delta", "text": piece} for piece in texts]
        case _:
            written = ("", *pieces(str(block["input"]), size))
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in written]


def _stop_reason(reply: ServerResponse) -> str:
    if reply.finish_reason is not None:
        return _STOPS.get(reply.finish_reason, reply.finish_reason)
    if reply.refusal:
        return "refusal"
    return "tool_use" if reply.calls else "end_turn"


def _usage(reply: ServerResponse) -> _JSON:
    asked, answered, cached = estimated_tokens(reply)
    return {
        "input_tokens": asked - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": answered,
    }


def _event(data: _JSON) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
