"""Render scripted answers in OpenAI's Chat Completions format."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from agentkit.testing.server_script import ServerFailure, ServerResponse, ServerToolCall

__all__ = [
    "DONE",
    "call_arguments",
    "completion",
    "estimated_tokens",
    "events",
    "failure_body",
    "failure_event",
    "model_list",
    "pieces",
]

DONE = b"data: [DONE]\n\n"

_JSON = dict[str, JsonValue]


def events(reply: ServerResponse, model: str, number: int, *, with_usage: bool) -> list[bytes]:
    """Return the server-sent events of a streamed reply, without ``[DONE]``."""
    frame = _frame("chat.completion.chunk", model, number, reply)
    rendered = [_chunk(frame, delta, None) for delta in _deltas(reply, number)]
    rendered.append(_chunk(frame, {}, _finish_reason(reply)))
    if with_usage and reply.send_usage:
        rendered.append(_event(frame | {"choices": [], "usage": _usage(reply)}))
    return rendered


def failure_event(model: str, number: int) -> bytes:
    """Return the event by which a provider breaks its answer off, as OpenRouter words it."""
    choice: _JSON = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    error: _JSON = {"code": 502, "message": "The script says so"}
    return _event(
        _frame("chat.completion.chunk", model, number, ServerResponse()) | {"error": error, "choices": [choice]}
    )


def completion(reply: ServerResponse, model: str, number: int) -> bytes:
    """Return a reply that isn't streamed."""
    message: _JSON = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal or None}
    if reply.thinking:
        message["reasoning_content"] = reply.thinking
    if reply.reasoning_details:
        message["reasoning_details"] = list(reply.reasoning_details)
    if reply.calls:
        message["tool_calls"] = [_call(call, number, place) for place, call in enumerate(reply.calls)]
    frame = _frame("chat.completion", model, number, reply)
    frame["choices"] = [{"index": 0, "message": message, "finish_reason": _finish_reason(reply), "logprobs": None}]
    if reply.send_usage:
        frame["usage"] = _usage(reply)
    return json.dumps(frame).encode()


def failure_body(failure: ServerFailure) -> bytes:
    """Return an error as OpenAI words it."""
    error = {"message": failure.message, "type": failure.type, "param": None, "code": failure.code}
    return json.dumps({"error": error}).encode()


def model_list() -> bytes:
    """Return what ``GET /v1/models`` gives."""
    model = {"id": "scripted", "object": "model", "created": 0, "owned_by": "agentkit"}
    return json.dumps({"object": "list", "data": [model]}).encode()


def _deltas(reply: ServerResponse, number: int) -> Iterator[_JSON]:
    yield {"role": "assistant", "content": ""}
    for detail in reply.reasoning_details:
        yield {"reasoning_details": [detail]}
    for field, text in (("reasoning_content", reply.thinking), ("content", reply.text), ("refusal", reply.refusal)):
        for piece in pieces(text, reply.chunk_chars):
            yield {field: piece}
    for place, call in enumerate(reply.calls):
        whole = _call(call, number, place)
        yield {"tool_calls": [whole | {"index": place, "function": {"name": call.name, "arguments": ""}}]}
        for piece in pieces(call_arguments(call), reply.chunk_chars):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def pieces(text: str, size: int) -> Iterator[str]:
    """Cut a text into the chunks that a stream is made of."""
    return (text[start : start + size] for start in range(0, len(text), size))


def _call(call: ServerToolCall, number: int, place: int) -> _JSON:
    call_id = f"call_{number}_{place}" if call.id is None else call.id
    named: _JSON = {"id": call_id} if call_id else {}
    return named | {"type": "function", "function": {"name": call.name, "arguments": call_arguments(call)}}


def call_arguments(call: ServerToolCall) -> str:
    """Return a call's arguments as the model writes them."""
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def _finish_reason(reply: ServerResponse) -> str:
    return reply.finish_reason or ("tool_calls" if reply.calls else "stop")


def _usage(reply: ServerResponse) -> _JSON:
    asked, answered, cached = estimated_tokens(reply)
    priced: _JSON = {} if reply.cost is None else {"cost": reply.cost}
    return priced | {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def estimated_tokens(reply: ServerResponse) -> tuple[int, int, int]:
    """Return a reply's tokens in, out and cached."""
    said = len(reply.text) + len(reply.thinking) + sum(len(call_arguments(call)) for call in reply.calls)
    return reply.usage or (10, said // 4 + 1, 0)


def _chunk(frame: _JSON, delta: _JSON, finish_reason: str | None) -> bytes:
    choice: _JSON = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event(frame | {"choices": [choice]})


def _frame(kind: str, model: str, number: int, reply: ServerResponse) -> _JSON:
    served: _JSON = {} if reply.served_by is None else {"provider": reply.served_by}
    return served | {"id": f"chatcmpl-{number}", "object": kind, "created": 0, "model": model}


def _event(frame: _JSON) -> bytes:
    return b"data: " + json.dumps(frame).encode() + b"\n\n"
