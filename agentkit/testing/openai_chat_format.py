"""OpenAI's Chat Completions format of scripted responses."""

from __future__ import annotations

import json
from collections.abc import Iterator

from agentkit.testing.scripted_server import ResponseStream, encode_event
from agentkit.testing.server_script import JSONObject, ReceivedRequest, ServerResponse, ServerToolCall

__all__ = ["chat_stream", "unstreamed_chat_body"]

_END = b"data: [DONE]\n\n"
_MALFORMED_EVENT = b'data: {"choices": [{"del\n\n'


def chat_stream(response: ServerResponse, request: ReceivedRequest) -> ResponseStream:
    """Return a response as a stream; it reports usage only if the request asks for that."""
    chunk = _frame("chat.completion.chunk", response, request)
    events = [_chunk_event(chunk, delta, None) for delta in _deltas(response, request.number)]
    events.append(_chunk_event(chunk, {}, _finish_reason(response)))
    with_usage = (request.body.get("stream_options") or {}).get("include_usage")
    if with_usage and response.send_usage:
        events.append(encode_event(chunk | {"choices": [], "usage": _usage(response)}))
    return ResponseStream(events, _MALFORMED_EVENT, _error_event(request), _END)


def unstreamed_chat_body(response: ServerResponse, request: ReceivedRequest) -> bytes:
    """Return the body of a response that isn't streamed."""
    message: JSONObject = {"role": "assistant", "content": response.text or None, "refusal": response.refusal or None}
    if response.thinking:
        message["reasoning_content"] = response.thinking
    if response.reasoning_details:
        message["reasoning_details"] = list(response.reasoning_details)
    if response.calls:
        message["tool_calls"] = [_call(call, request.number, index) for index, call in enumerate(response.calls)]
    body = _frame("chat.completion", response, request)
    body["choices"] = [{"index": 0, "message": message, "finish_reason": _finish_reason(response), "logprobs": None}]
    if response.send_usage:
        body["usage"] = _usage(response)
    return json.dumps(body).encode()


def _error_event(request: ReceivedRequest) -> bytes:
    """Return an error in the middle of a stream, in OpenRouter's format."""
    choice: JSONObject = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    error: JSONObject = {"code": 502, "message": "Scripted failure"}
    frame = _frame("chat.completion.chunk", ServerResponse(), request)
    return encode_event(frame | {"error": error, "choices": [choice]})


def _deltas(response: ServerResponse, number: int) -> Iterator[JSONObject]:
    yield {"role": "assistant", "content": ""}
    for detail in response.reasoning_details:
        yield {"reasoning_details": [detail]}
    texts = {"reasoning_content": response.thinking, "content": response.text, "refusal": response.refusal}
    for field, text in texts.items():
        for chunk in response.chunks(text):
            yield {field: chunk}
    for index, call in enumerate(response.calls):
        start = _call(call, number, index) | {"index": index, "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [start]}
        for chunk in response.chunks(call.arguments_text):
            yield {"tool_calls": [{"index": index, "function": {"arguments": chunk}}]}


def _call(call: ServerToolCall, number: int, index: int) -> JSONObject:
    call_id = f"call_{number}_{index}" if call.id is None else call.id
    id_field: JSONObject = {"id": call_id} if call_id else {}
    return id_field | {"type": "function", "function": {"name": call.name, "arguments": call.arguments_text}}


def _finish_reason(response: ServerResponse) -> str:
    return response.finish_reason or ("tool_calls" if response.calls else "stop")


def _usage(response: ServerResponse) -> JSONObject:
    input_tokens, output_tokens, cached_tokens = response.token_counts
    cost: JSONObject = {} if response.cost is None else {"cost": response.cost}
    return cost | {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
    }


def _chunk_event(chunk: JSONObject, delta: JSONObject, finish_reason: str | None) -> bytes:
    choice: JSONObject = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return encode_event(chunk | {"choices": [choice]})


def _frame(kind: str, response: ServerResponse, request: ReceivedRequest) -> JSONObject:
    """Return the fields that every chunk and body has."""
    provider: JSONObject = {} if response.served_by is None else {"provider": response.served_by}
    model = str(request.body.get("model"))
    return provider | {"id": f"chatcmpl-{request.number}", "object": kind, "created": 0, "model": model}
