"""Send events as a response of server-sent events, which browsers and ``curl -N`` read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.events.event import Event
from api.tasks.errors import WatchInterrupted

__all__ = ["HEARTBEAT_INTERVAL_S", "SLOW_WATCHER_TIMEOUT_S", "EventStream", "comment", "frame"]

logger = logging.getLogger(__name__)

HEARTBEAT_INTERVAL_S = 15.0
"""Silence after which a comment is sent: proxies close idle connections."""
SLOW_WATCHER_TIMEOUT_S = 30.0
"""How long a client may take to accept data before it is cut off: its task is followed while it is connected."""
_RECONNECT_DELAY_MS = 1000
"""Milliseconds after which a browser reconnects."""


def frame(event: Event) -> bytes:
    """Return an event as it is sent; live ones have no id, so a client resumes after the newest durable one."""
    event_type = event.type.encode()
    if event.id is None:
        return b"event: %b\ndata: %b\n\n" % (event_type, event.json)
    return b"event: %b\nid: %b\ndata: %b\n\n" % (event_type, event.id.encode(), event.json)


def _frames(events: Event | Sequence[Event]) -> bytes:
    return frame(events) if isinstance(events, Event) else b"".join(map(frame, events))


def comment(text: str) -> bytes:
    """Return a comment line for people, which clients ignore."""
    return f": {' '.join(text.split())}\n\n".encode()


class EventStream(Response):
    """Streams events until they end, the client disconnects, or the server stops.

    FastAPI's own ``EventSourceResponse`` has no limit for slow clients, and serializes each event for each client.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[Event, None] | AsyncGenerator[Sequence[Event], None],
        stopping: asyncio.Event,
        *,
        first: Sequence[Event] = (),
        heartbeat_interval_s: float = HEARTBEAT_INTERVAL_S,
        slow_watcher_timeout_s: float = SLOW_WATCHER_TIMEOUT_S,
    ) -> None:
        """Stream ``first`` and then ``events``, which are closed in the end. Several at once are sent in one write."""
        self.status_code = 200
        self.background = None
        self._events = events
        self._stopping = stopping
        self._first = first
        self._heartbeat_interval_s = heartbeat_interval_s
        self._slow_watcher_timeout_s = slow_watcher_timeout_s
        # nginx would buffer the stream, and other proxies might transform or store it.
        self.init_headers({"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, and close the events."""
        async with aclosing(self._events), anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
            try:
                await self._send_all(_SentResponse(send))
            except TimeoutError:
                logger.info(
                    "A watcher accepted nothing for %g s, and was cut off",
                    self._slow_watcher_timeout_s,
                    extra={"task_id": scope.get("path_params", {}).get("task_id")},
                )
            tasks.cancel_scope.cancel()

    async def _send_all(self, response: _SentResponse) -> None:
        """Send all events, and at last why there are no more.

        Raises:
            TimeoutError: the client is too slow.
        """
        async with asyncio.timeout(self._slow_watcher_timeout_s):
            await response.start(self.status_code, self.raw_headers)
            await response.send(b"retry: %d\n\n" % _RECONNECT_DELAY_MS + _frames(self._first))
        reason = await self._send_events(response)
        async with asyncio.timeout(self._slow_watcher_timeout_s):
            if reason is not None:
                await response.send(comment(reason))
            await response.end()

    async def _send_events(self, response: _SentResponse) -> str | None:
        """Send events until they end; return why, unless they have ended by themselves.

        Raises:
            TimeoutError: the client is too slow.
        """
        # One task for each watcher: a task or a time-out for each event would cost more than to send it.
        with anyio.CancelScope() as sending:
            watching = asyncio.create_task(self._watch_client(response, sending))
            try:
                async for events in self._events:
                    await response.send(_frames(events))
            except WatchInterrupted as interrupted:
                return str(interrupted)
            finally:
                watching.cancel()
        if not sending.cancelled_caught:
            return None
        watching.result()  # raises its error
        if self._stopping.is_set():
            return "The server stops. Reconnect, and resume after the last event."
        raise TimeoutError

    async def _watch_client(self, response: _SentResponse, sending: anyio.CancelScope) -> None:
        """Send comments in silence; cancel ``sending`` when the client is too slow, or the server stops."""
        try:
            await self._until_slow_or_stopping(response)
        finally:
            sending.cancel()

    async def _until_slow_or_stopping(self, response: _SentResponse) -> None:
        now = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            if response.sending_since is None:
                remaining = response.sent_at + self._heartbeat_interval_s - now()
            else:
                remaining = response.sending_since + self._slow_watcher_timeout_s - now()
            if remaining > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(remaining, self._slow_watcher_timeout_s)):
                        await self._stopping.wait()
            elif response.sending_since is not None:
                return
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._slow_watcher_timeout_s):
                        await response.send(comment("still here"))


class _SentResponse:
    """What is sent to a client, and since when it waits for the client or for events."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._now = asyncio.get_running_loop().time
        self.sending_since: float | None = None
        """Since when the client has been accepting what is sent; None: nothing is being sent. By the loop's clock."""
        self.sent_at = self._now()

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the head of the response."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, body: bytes) -> None:
        """Send a part of the body; return when the client accepts more."""
        self.sending_since = self._now()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self.sending_since = None
        self.sent_at = self._now()

    async def end(self) -> None:
        """End the response."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
