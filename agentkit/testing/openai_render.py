"""Render scripted answers in OpenAI's Chat Completions format."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from agentkit.testing.openai_script import Failure, Reply, ReplyCall

__all__ = ["DONE", "completion", "events", "failure_body", "model_list"]

DONE = b"data: [DONE]\n\n"

_JSON = dict[str, JsonValue]


def events(reply: Reply, model: str, number: int, *, with_usage: bool) -> list[bytes]:
    """Return the server-sent events of a streamed reply, without ``[DONE]``."""
    rendered = [_chunk(model, number, delta, None) for delta in _deltas(reply, number)]
    rendered.append(_chunk(model, number, {}, _finish_reason(reply)))
    if with_usage and reply.send_usage:
        frame = _frame("chat.completion.chunk", model, number) | {"choices": [], "usage": _usage(reply)}
        rendered.append(_event(frame))
    return rendered


def completion(reply: Reply, model: str, number: int) -> bytes:
    """Return a reply that isn't streamed."""
    message: _JSON = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal or None}
    if reply.thinking:
        message["reasoning_content"] = reply.thinking
    if reply.calls:
        message["tool_calls"] = [_call(call, number, place) for place, call in enumerate(reply.calls)]
    frame = _frame("chat.completion", model, number)
    frame["choices"] = [{"index": 0, "message": message, "finish_reason": _finish_reason(reply), "logprobs": None}]
    if reply.send_usage:
        frame["usage"] = _usage(reply)
    return json.dumps(frame).encode()


def failure_body(failure: Failure) -> bytes:
    """Return an error as OpenAI words it."""
    error = {"message": failure.message, "type": failure.type, "param": None, "code": failure.code}
    return json.dumps({"error": error}).encode()


def model_list() -> bytes:
    """Return what ``GET /v1/models`` gives."""
    model = {"id": "scripted", "object": "model", "created": 0, "owned_by": "agentkit"}
    return json.dumps({"object": "list", "data": [model]}).encode()


def _deltas(reply: Reply, number: int) -> Iterator[_JSON]:
    yield {"role": "assistant", "content": ""}
    for field, text in (("reasoning_content", reply.thinking), ("content", reply.text), ("refusal", reply.refusal)):
        for piece in _pieces(text, reply.chunk_chars):
            yield {field: piece}
    for place, call in enumerate(reply.calls):
        whole = _call(call, number, place)
        yield {"tool_calls": [whole | {"index": place, "function": {"name": call.name, "arguments": ""}}]}
        for piece in _pieces(_arguments(call), reply.chunk_chars):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def _call(call: ReplyCall, number: int, place: int) -> _JSON:
    call_id = f"call_{number}_{place}" if call.id is None else call.id
    named: _JSON = {"id": call_id} if call_id else {}
    return named | {"type": "function", "function": {"name": call.name, "arguments": _arguments(call)}}


def _arguments(call: ReplyCall) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def _finish_reason(reply: Reply) -> str:
    return reply.finish_reason or ("tool_calls" if reply.calls else "stop")


def _usage(reply: Reply) -> _JSON:
    said = len(reply.text) + len(reply.thinking) + sum(len(_arguments(call)) for call in reply.calls)
    asked, answered, cached = reply.usage or (10, said // 4 + 1, 0)
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _chunk(model: str, number: int, delta: _JSON, finish_reason: str | None) -> bytes:
    choice: _JSON = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event(_frame("chat.completion.chunk", model, number) | {"choices": [choice]})


def _frame(kind: str, model: str, number: int) -> _JSON:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 0, "model": model}


def _event(frame: _JSON) -> bytes:
    return b"data: " + json.dumps(frame).encode() + b"\n\n"
