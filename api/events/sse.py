"""Send events as a response of server-sent events, which browsers and ``curl -N`` read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

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
        events: AsyncGenerator[Event, None],
        stopping: asyncio.Event,
        *,
        first: Sequence[Event] = (),
        heartbeat_interval_s: float = HEARTBEAT_INTERVAL_S,
        slow_watcher_timeout_s: float = SLOW_WATCHER_TIMEOUT_S,
    ) -> None:
        """Stream ``first`` and then ``events``, which are closed in the end."""
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
                await self._send_all(send)
            except TimeoutError:
                logger.info(
                    "A watcher accepted nothing for %g s, and was cut off",
                    self._slow_watcher_timeout_s,
                    extra={"task_id": scope.get("path_params", {}).get("task_id")},
                )
            tasks.cancel_scope.cancel()

    async def _send_all(self, send: Send) -> None:
        async def send_body(body: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(self._slow_watcher_timeout_s):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send_body(b"retry: %d\n\n" % _RECONNECT_DELAY_MS + b"".join(map(frame, self._first)))
        try:
            async with aclosing(self._bodies()) as bodies:
                async for body in bodies:
                    await send_body(body)
        except WatchInterrupted as interrupted:
            await send_body(comment(str(interrupted)))
        await send_body(b"", more=False)

    async def _bodies(self) -> AsyncGenerator[bytes, None]:
        """Yield a frame for each event, and a comment after each interval of silence.

        Raises:
            WatchInterrupted: by the events, or because the server stops.
        """
        # An event that is awaited must not be cancelled at each silence, which would end the generator. A task that
        # puts events into an anyio stream costs twice the CPU per event and watcher.
        stopped = asyncio.ensure_future(self._stopping.wait())
        upcoming: asyncio.Future[Event] | None = None
        try:
            while True:
                upcoming = asyncio.ensure_future(anext(self._events))
                while not upcoming.done():
                    await asyncio.wait(
                        [upcoming, stopped], timeout=self._heartbeat_interval_s, return_when=asyncio.FIRST_COMPLETED
                    )
                    if stopped.done():
                        raise WatchInterrupted("The server stops. Reconnect, and resume after the last event.")
                    if not upcoming.done():
                        yield comment("still here")
                try:
                    yield frame(upcoming.result())
                except StopAsyncIteration:
                    return
        finally:
            stopped.cancel()
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
