"""OpenAI's Responses format of scripted responses."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from agentkit.testing.scripted_server import ResponseStream, encode_event
from agentkit.testing.server_script import CALL_ITEM, JSONObject, ReceivedRequest, ServerResponse, ServerToolCall

__all__ = ["responses_stream", "unstreamed_responses_body"]

_MALFORMED_EVENT = b'data: {"type": "respo\n\n'
_INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""The Responses API's names of those finish reasons that leave a response incomplete."""


def responses_stream(response: ServerResponse, request: ReceivedRequest) -> ResponseStream:
    """Return a response as a stream."""
    items = _items(response, request)
    start = {**_frame(request), "status": "in_progress", "output": []}
    events: list[JSONObject] = [{"type": "response.created", "response": start}]
    for index, item in enumerate(items):
        position: JSONObject = {"output_index": index, "item_id": item["id"]}
        events.append({"type": "response.output_item.added", **position, "item": _emptied(item)})
        events.extend({**position, **event} for event in _item_events(item, response))
        events.append({"type": "response.output_item.done", **position, "item": item})
    end = _completed(response, request, items)
    events.append({"type": f"response.{end['status']}", "response": end})
    encoded = [_encode({**event, "sequence_number": number}) for number, event in enumerate(events)]
    return ResponseStream(encoded, _MALFORMED_EVENT, _error_event(request))


def unstreamed_responses_body(response: ServerResponse, request: ReceivedRequest) -> bytes:
    """Return the body of a response that isn't streamed."""
    return json.dumps(_completed(response, request, _items(response, request))).encode()


def _error_event(request: ReceivedRequest) -> bytes:
    error: JSONObject = {"code": "server_error", "message": "Scripted failure"}
    failed = {**_frame(request), "status": "failed", "output": [], "error": error}
    return _encode({"type": "response.failed", "sequence_number": 9_999, "response": failed})


def _frame(request: ReceivedRequest) -> JSONObject:
    """Return the fields that every state of a response has."""
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


def _completed(response: ServerResponse, request: ReceivedRequest, items: list[JSONObject]) -> JSONObject:
    reason = _INCOMPLETE_REASONS.get(response.finish_reason or "")
    body: JSONObject = {**_frame(request), "status": "incomplete" if reason else "completed", "output": [*items]}
    if reason:
        body["incomplete_details"] = {"reason": reason}
    if response.send_usage:
        input_tokens, output_tokens, cached_tokens = response.token_counts
        body["usage"] = {
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": cached_tokens, "cache_write_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": response.thinking_tokens},
            "total_tokens": input_tokens + output_tokens,
        }
    return body


def _items(response: ServerResponse, request: ReceivedRequest) -> list[JSONObject]:
    """Return the output items; encrypted reasoning is included only if the request asks for it, as by OpenAI."""
    items: list[JSONObject] = []
    if response.thinking:
        item: JSONObject = {"type": "reasoning", "summary": [{"type": "summary_text", "text": response.thinking}]}
        if "reasoning.encrypted_content" in (request.body.get("include") or ()):
            item["encrypted_content"] = f"encrypted-{request.number}"
        items.append({"id": f"rs_{request.number}", **item})
    content: list[JsonValue] = []
    if response.text:
        content.append({"type": "output_text", "text": response.text, "annotations": []})
    if response.refusal:
        content.append({"type": "refusal", "refusal": response.refusal})
    if content:
        message: JSONObject = {"type": "message", "role": "assistant", "status": "completed", "content": content}
        items.append({"id": f"msg_{request.number}", **message})
    items.extend(_call(call, request.number, index) for index, call in enumerate(response.calls))
    return items


def _call(call: ServerToolCall, number: int, index: int) -> JSONObject:
    return {
        "id": f"fc_{number}_{index}",
        "type": CALL_ITEM,
        "status": "completed",
        "call_id": f"call_{number}_{index}" if call.id is None else call.id,
        "name": call.name,
        "arguments": call.arguments_text,
    }


def _emptied(item: JSONObject) -> JSONObject:
    """Return an item without the content that its events add."""
    empty_fields: JSONObject = {"summary": [], "content": [], "arguments": "", "encrypted_content": None}
    return {**item, **{key: empty_fields[key] for key in empty_fields.keys() & item.keys()}}


def _item_events(item: JSONObject, response: ServerResponse) -> Iterator[JSONObject]:
    """Yield the events between the first and the last of an item."""
    match item:
        case {"type": "reasoning", "summary": [{"text": str(text)}]}:
            for chunk in response.chunks(text):
                yield {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": chunk}
        case {"arguments": str(arguments)}:
            for chunk in response.chunks(arguments):
                yield {"type": "response.function_call_arguments.delta", "delta": chunk}
            yield {"type": "response.function_call_arguments.done", "arguments": arguments}
        case {"type": "message", "content": list(content)}:
            for index, part in enumerate(content):
                yield from _part_events(part, {"content_index": index}, response)


def _part_events(part: JsonValue, position: JSONObject, response: ServerResponse) -> Iterator[JSONObject]:
    match part:
        case {"type": "output_text", "text": str(text)}:
            empty_part: JSONObject = {"type": "output_text", "text": ""}
            yield {"type": "response.content_part.added", **position, "part": empty_part}
            for chunk in response.chunks(text):
                yield {"type": "response.output_text.delta", **position, "delta": chunk, "logprobs": []}
            yield {"type": "response.output_text.done", **position, "text": text, "logprobs": []}
        case {"type": "refusal", "refusal": str(text)}:
            for chunk in response.chunks(text):
                yield {"type": "response.refusal.delta", **position, "delta": chunk}


def _encode(event: JSONObject) -> bytes:
    return encode_event(event, str(event["type"]))
