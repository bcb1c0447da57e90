"""The same response in the format of every provider's API, and requests to scripted servers that send it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agentkit.interfaces import ModelDelta, ModelResponse
from agentkit.specs import ToolSpec
from agentkit.testing import RawResponse, ReceivedRequest, ServerScriptEntry
from tests.unit.agentkit.llm.providers import PROVIDERS, Provider

CLOCK = ToolSpec(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})
Event = Mapping[str, Any]


@dataclass(frozen=True)
class Wire:
    """The text "Noon." in the format of one API, as servers send it without a reason for its end."""

    events: Sequence[Event]
    """Those of a stream, without the one that ends it."""
    end: Callable[[str], Sequence[Event]]
    """Returns the events that end a stream for a reason."""
    body: Callable[[str | None], Event]
    """Returns the whole response, with a reason or without."""
    reason: str
    """The usual one."""
    ends_with_marker: bool = True
    """Whether other servers may end a stream with ``[DONE]``."""


def chat_choice(fields: Event, reason: str | None) -> Event:
    return {"choices": [{"index": 0, **fields, "finish_reason": reason}]}


MESSAGE = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Noon."}]}
BLOCK = {"type": "text", "text": "Noon."}
CONTENT = {"content": {"role": "model", "parts": [{"text": "Noon."}]}}
CHAT = Wire(
    events=[chat_choice({"delta": {"content": "No"}}, None), chat_choice({"delta": {"content": "on."}}, None)],
    end=lambda reason: [chat_choice({"delta": {}}, reason)],
    body=lambda reason: chat_choice({"message": {"role": "assistant", "content": "Noon."}}, reason),
    reason="stop",
)
WIRES = {
    "openai-chat": CHAT,
    "openrouter": CHAT,
    "openai-responses": Wire(
        events=[{"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}],
        end=lambda reason: [{"type": "response.completed", "response": {"status": reason, "output": [MESSAGE]}}],
        body=lambda reason: {"object": "response", "output": [MESSAGE]} | ({"status": reason} if reason else {}),
        reason="completed",
    ),
    "anthropic": Wire(
        events=[
            {"type": "message_start", "message": {"content": []}},
            {"type": "content_block_start", "index": 0, "content_block": BLOCK},
        ],
        end=lambda reason: [{"type": "message_delta", "delta": {"stop_reason": reason}}],
        body=lambda reason: {"type": "message", "content": [BLOCK], "stop_reason": reason},
        reason="end_turn",
    ),
    "google": Wire(
        events=[{"candidates": [CONTENT]}],
        end=lambda reason: [{"candidates": [{"finishReason": reason}]}],
        body=lambda reason: {"candidates": [CONTENT | ({"finishReason": reason} if reason else {})]},
        reason="STOP",
    ),
}
every_provider = pytest.mark.parametrize("name", PROVIDERS)


async def respond(
    name: str,
    *script: ServerScriptEntry,
    changes: Mapping[str, Any] | None = None,
    deltas: list[ModelDelta] | None = None,
) -> tuple[ModelResponse, list[ReceivedRequest]]:
    """Return the response to one request for each entry of the script that is no error, and the requests."""
    provider: Provider = PROVIDERS[name]
    request = replace(provider.request, **(changes or {}))
    async with provider.server(script) as server, aclosing(provider.model(base_url=server.url)) as model:
        while server.request_count < len(script):
            response = await model.respond(request, deltas.append if deltas is not None else None)
        return response, server.requests


def event_stream(events: Sequence[Event], form: str = "data: {}\n\n") -> RawResponse:
    body = "".join(form.replace("{}", json.dumps(event)) for event in events)
    return RawResponse(body=body, content_type="text/event-stream")
