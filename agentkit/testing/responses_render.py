"""Render scripted answers in OpenAI's Responses format."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from agentkit.testing.openai_render import call_arguments, estimated_tokens, pieces
from agentkit.testing.server_script import ReceivedRequest, ServerResponse, ServerToolCall

__all__ = ["failed_event", "response", "response_events"]

_JSON = dict[str, JsonValue]

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Reasons to stop, in Chat Completions' words and in these."""


def response_events(reply: ServerResponse, request: ReceivedRequest) -> list[bytes]:
    """Return the server-sent events of a streamed reply."""
    items = _items(reply, request)
    begun = {**_frame(request), "status": "in_progress", "output": []}
    written: list[_JSON] = [{"type": "response.created", "response": begun}]
    for place, item in enumerate(items):
        at: _JSON = {"output_index": place, "item_id": item["id"]}
        written.append({"type": "response.output_item.added", **at, "item": _empty(item)})
        written.extend({**at, **event} for event in _inside(item, reply.chunk_chars))
        written.append({"type": "response.output_item.done", **at, "item": item})
    end = _end(reply, request, items)
    written.append({"type": f"response.{end['status']}", "response": end})
    return [_event({**event, "sequence_number": number}) for number, event in enumerate(written)]


def response(reply: ServerResponse, request: ReceivedRequest) -> bytes:
    """Return a reply that isn't streamed."""
    return json.dumps(_end(reply, request, _items(reply, request))).encode()


def failed_event(request: ReceivedRequest) -> bytes:
    """Return the event by which the provider breaks its answer off."""
    error: _JSON = {"code": "server_error", "message": "The script says so"}
    failed = {**_frame(request), "status": "failed", "output": [], "error": error}
    return _event({"type": "response.failed", "sequence_number": 9_999, "response": failed})


def _frame(request: ReceivedRequest) -> _JSON:
    return {
        "id": f"resp_{request.number}",
        "object": "response",
        "created_at": 0,
        "model": str(request.body.get("model")),
        "error": None,
        "incomplete_details": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def _end(reply: ServerResponse, request: ReceivedRequest, items: list[_JSON]) -> _JSON:
    reason = _INCOMPLETE.get(reply.finish_reason or "")
    end: _JSON = {**_frame(request), "status": "incomplete" if reason else "completed", "output": [*items]}
    if reason:
        end["incomplete_details"] = {"reason": reason}
    if reply.send_usage:
        asked, answered, cached = estimated_tokens(reply)
        end["usage"] = {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": len(reply.thinking) // 4},
            "total_tokens": asked + answered,
        }
    return end


def _items(reply: ServerResponse, request: ReceivedRequest) -> list[_JSON]:
    """Return the items of an answer; encrypted reasoning only where it was asked for, as OpenAI does."""
    items: list[_JSON] = []
    if reply.thinking:
        item: _JSON = {"type": "reasoning", "summary": [{"type": "summary_text", "text": reply.thinking}]}
        if "reasoning.encrypted_content" in (request.body.get("include") or ()):
            item["encrypted_content"] = f"encrypted-{request.number}"
        items.append({"id": f"rs_{request.number}", **item})
    content: list[JsonValue] = []
    if reply.text:
        content.append({"type": "output_text", "text": reply.text, "annotations": []})
    if reply.refusal:
        content.append({"type": "refusal", "refusal": reply.refusal})
    if content:
        message: _JSON = {"type": "message", "role": "assistant", "status": "completed", "content": content}
        items.append({"id": f"msg_{request.number}", **message})
    items.extend(_call(call, request.number, place) for place, call in enumerate(reply.calls))
    return items


def _call(call: ServerToolCall, number: int, place: int) -> _JSON:
    return {
        "id": f"fc_{number}_{place}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{number}_{place}" if call.id is None else call.id,
        "name": call.name,
        "arguments": call_arguments(call),
    }


def _empty(item: _JSON) -> _JSON:
    """Return an item as it begins."""
    nothing: _JSON = {"summary": [], "content": [], "arguments": "", "encrypted_content": None}
    return {**item, **{key: nothing[key] for key in nothing.keys() & item.keys()}}


def _inside(item: _JSON, size: int) -> Iterator[_JSON]:
    """Yield the events between an item's first and last."""
    match item:
        case {"type": "reasoning", "summary": [{"text": str(text)}]}:
            for piece in pieces(text, size):
                yield {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": piece}
        case {"type": "function_call", "arguments": str(arguments)}:
            for piece in pieces(arguments, size):
                yield {"type": "response.function_call_arguments.delta", "delta": piece}
            yield {"type": "response.function_call_arguments.done", "arguments": arguments}
        case {"type": "message", "content": list(content)}:
            for place, part in enumerate(content):
                yield from _part(part, place, size)


def _part(part: JsonValue, place: int, size: int) -> Iterator[_JSON]:
    at: _JSON = {"content_index": place}
    match part:
        case {"type": "output_text", "text": str(text)}:
            yield {"type": "response.content_part.added", **at, "part": {"type": "output_text", "text": ""}}
            for piece in pieces(text, size):
                yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
            yield {"type": "response.output_text.done", **at, "text": text, "logprobs": []}
        case {"type": "refusal", "refusal": str(text)}:
            for piece in pieces(text, size):
                yield {"type": "response.refusal.delta", **at, "delta": piece}


def _event(event: _JSON) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
