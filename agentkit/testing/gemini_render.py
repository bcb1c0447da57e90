"""Render scripted answers in the format of Google's Gemini API."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from pydantic import JsonValue

from agentkit.testing.openai_render import estimated_tokens, pieces
from agentkit.testing.server_script import ServerFailure, ServerResponse, ServerToolCall

__all__ = ["FAILURE", "GARBAGE", "answer", "events", "failure_body", "model_list"]

GARBAGE = b'data: {"candidates": [{"cont\r\n\r\n'
FAILURE = b'data: {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}\r\n\r\n'

_JSON = dict[str, JsonValue]
_FINISHES = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def events(reply: ServerResponse, model: str, number: int) -> list[bytes]:
    """Return the server-sent events of a streamed reply: the last one says why it ends."""
    frames = [_frame([part], model, number) for part in _parts(reply, number, reply.chunk_chars)]
    if not frames:
        frames = [_frame([], model, number)]
    frames[-1] = _ended(frames[-1], reply)
    return [b"data: " + json.dumps(frame).encode() + b"\r\n\r\n" for frame in frames]


def answer(reply: ServerResponse, model: str, number: int) -> bytes:
    """Return a reply that isn't streamed."""
    return json.dumps(_ended(_frame([*_parts(reply, number, 1_000_000)], model, number), reply)).encode()


def failure_body(failure: ServerFailure) -> bytes:
    """Return an error as Google words it; ``code`` is the reason in its details."""
    status = failure.type or _STATUSES.get(failure.status, "UNKNOWN")
    error: _JSON = {"code": failure.status, "message": failure.message, "status": status}
    if failure.code is not None:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": failure.code}]
    return json.dumps({"error": error}).encode()


def model_list() -> bytes:
    """Return what ``GET /v1beta/models`` gives."""
    model = {"name": "models/scripted", "supportedGenerationMethods": ["generateContent"]}
    return json.dumps({"models": [model]}).encode()


def _parts(reply: ServerResponse, number: int, size: int) -> Iterator[JsonValue]:
    for piece in pieces(reply.thinking, size):
        yield {"text": piece, "thought": True}
    for piece in pieces(reply.text + reply.refusal, size):
        yield {"text": piece}
    for place, call in enumerate(reply.calls):
        if isinstance(call.arguments, str):
            continue  # which the API can't send: it says that the call was malformed
        part: _JSON = {"functionCall": _call(call, number, place)}
        if reply.thinking and place == 0:
            part["thoughtSignature"] = base64.b64encode(f"signature-{number}".encode()).decode()
        yield part


def _call(call: ServerToolCall, number: int, place: int) -> _JSON:
    call_id = f"call-{number}-{place}" if call.id is None else call.id
    arguments: JsonValue = {} if isinstance(call.arguments, str) else {**call.arguments}
    return {**({"id": call_id} if call_id else {}), "name": call.name, "args": arguments}


def _frame(parts: list[JsonValue], model: str, number: int) -> _JSON:
    content: _JSON = {"role": "model", **({"parts": parts} if parts else {})}
    return {
        "candidates": [{"content": content, "index": 0}],
        "modelVersion": model,
        "responseId": f"response-{number}",
    }


def _ended(frame: _JSON, reply: ServerResponse) -> _JSON:
    """Return the frame with the reason why the answer ends, and what it cost."""
    malformed = next((call for call in reply.calls if isinstance(call.arguments, str)), None)
    finish = "SAFETY" if reply.refusal else "STOP"
    if reply.finish_reason is not None:
        finish = _FINISHES.get(reply.finish_reason, reply.finish_reason)
    ending: _JSON = {"finishReason": finish}
    if malformed is not None:
        said = f"Malformed function call: {malformed.name}({malformed.arguments})"
        ending = {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": said}
    candidates = frame["candidates"]
    begun = candidates[0] if isinstance(candidates, list) else None
    written: _JSON = {**frame, "candidates": [{**(begun if isinstance(begun, dict) else {}), **ending}]}
    return {**written, "usageMetadata": _usage(reply)} if reply.send_usage else written


def _usage(reply: ServerResponse) -> _JSON:
    asked, answered, cached = estimated_tokens(reply)
    thoughts = min(len(reply.thinking) // 4, answered)
    return {
        "promptTokenCount": asked,
        "candidatesTokenCount": answered - thoughts,
        "thoughtsTokenCount": thoughts,
        "cachedContentTokenCount": cached,
        "totalTokenCount": asked + answered,
    }
