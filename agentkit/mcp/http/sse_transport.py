"""The transport of protocol 2024-11-05: requests by POST, replies in one stream of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from pydantic import ValidationError

__all__ = ["SseError", "sse_transport"]

_Messages = MemoryObjectSendStream[SessionMessage | Exception]
_Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


class SseError(Exception):
    """The URL does not answer with a stream of MCP events."""


@asynccontextmanager
async def sse_transport(url: str, client: httpx2.AsyncClient) -> AsyncIterator[_Streams]:
    """Return the streams of received and of sent messages. A request that can't be sent gets an error as its reply.

    Raises:
        SseError: the URL does not answer with such a stream.
        httpx2.HTTPError: it can't be reached.
    """
    received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    async with (
        received,
        incoming,
        outgoing,
        to_send,
        client.stream("GET", url, headers=headers, follow_redirects=False) as response,
        anyio.create_task_group() as tasks,
    ):
        if response.status_code != 200:
            raise SseError(f"the URL answers with HTTP {response.status_code}")
        endpoint = await tasks.start(_read_events, response, received)
        tasks.start_soon(_post_messages, client, endpoint, to_send, received)
        yield incoming, outgoing
        tasks.cancel_scope.cancel()


async def _read_events(
    response: httpx2.Response,
    received: _Messages,
    *,
    task_status: TaskStatus[httpx2.URL],
) -> None:
    """Pass on messages until the stream ends; the first event names the URL for requests."""
    is_started = False
    async with received:
        try:
            async for event in httpx2.EventSource(response, max_event_size=None):
                if event.event == "endpoint" and not is_started:
                    is_started = True
                    task_status.started(_endpoint(response.request.url, event.data))
                elif event.event == "message" and event.data and is_started:
                    await received.send(_message(event.data))
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.SSEError) as error:
            if not is_started:
                raise SseError(str(error)) from error
        if not is_started:
            raise SseError("the stream of events ended before it named the URL for requests")


def _endpoint(url: httpx2.URL, path: str) -> httpx2.URL:
    endpoint = url.join(path)
    if (endpoint.scheme, endpoint.host, endpoint.port) != (url.scheme, url.host, url.port):
        raise SseError("the server wants requests sent to another origin")
    return endpoint


def _message(data: str) -> SessionMessage | Exception:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(data, by_name=False))
    except ValidationError as error:
        return error


async def _post_messages(
    client: httpx2.AsyncClient,
    endpoint: httpx2.URL,
    to_send: MemoryObjectReceiveStream[SessionMessage],
    received: _Messages,
) -> None:
    async for sent in to_send:
        body = sent.message.model_dump(by_alias=True, mode="json", exclude_unset=True)
        response = await client.post(endpoint, json=body, follow_redirects=False)
        if response.content:  # an error; replies come in the stream of events
            await received.send(_message(response.text))
