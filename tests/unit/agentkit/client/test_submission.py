"""A request that changes something is sent until it has one response, and counts once."""

from __future__ import annotations

import pytest

from agentkit.client import ApiUnreachable, Conversation
from agentkit.client.api_connection import ApiConnection
from agentkit.client.submission import submit
from tests.reserved_ports import refusing_port
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, conversation


async def test_a_broken_connection_repeats_the_request_with_the_given_key(api: ScriptedApi) -> None:
    connection = ApiConnection(api.url)
    api.on("POST", "/conversations", ScriptedResponse(0, None), ScriptedResponse(201, conversation()))

    created = await submit(connection, Conversation, "/conversations", {"agent": "assistant"}, "key-1")
    await connection.aclose()

    assert created.id == "conversation-1"
    assert [(request.headers["idempotency-key"], request.body) for request in api.requests] == [
        ("key-1", {"agent": "assistant"}),
        ("key-1", {"agent": "assistant"}),
    ]


async def test_what_cant_have_arrived_is_reported_at_once() -> None:
    with refusing_port() as port:
        connection = ApiConnection(f"http://127.0.0.1:{port}")
        with pytest.raises(ApiUnreachable, match="Can't reach the API"):
            await submit(connection, Conversation, "/conversations", {}, None)
        await connection.aclose()
