"""Events as a response of server-sent events, which browsers and ``curl -N`` read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.events.event import Event
from api.tasks.errors import WatchInterrupted

__all__ = ["EventStream", "comment", "frame"]

_log = logging.getLogger(__name__)
HEARTBEAT = 15.0
"""Seconds of silence after which a comment keeps the line open."""
PATIENCE = 30.0
"""Seconds that a client may take to accept what is sent; then the line is cut."""
_RETRY = b"retry: 1000\n\n"
"""Milliseconds after which a browser comes back."""


def frame(event: Event) -> bytes:
    """Return an event as it is sent; live ones have no id, so that a client goes on after the last durable one."""
    name = event.type.encode()
    if event.position is None:
        return b"event: %b\ndata: %b\n\n" % (name, event.json)
    position = event.position.encode(event.task_id).encode()
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name, position, event.json)


def comment(text: str) -> bytes:
    """Return a line for people, which programs pass over."""
    return f": {' '.join(text.split())}\n\n".encode()


class EventStream(Response):
    """Streams events until they end, the client goes away, or the server stops."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        stopping: asyncio.Event,
        *,
        first: Sequence[Event] = (),
        heartbeat: float = HEARTBEAT,
        patience: float = PATIENCE,
    ) -> None:
        """Stream ``first`` and then ``events``, which are closed in the end."""
        self.status_code = 200
        self.background = None
        self._events = events
        self._stopping = stopping
        self._first = first
        self._heartbeat = heartbeat
        self._patience = patience
        # nginx would buffer, and other proxies might transform or store it
        self.init_headers({"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send; whatever ends it, the events are closed."""
        streaming = asyncio.create_task(self._stream(send))
        others = [asyncio.create_task(_gone(receive))]
        try:
            await asyncio.wait([streaming, *others], return_when=asyncio.FIRST_COMPLETED)
            if streaming.done():
                await streaming
        except TimeoutError:
            _log.info("A watcher took nothing for %g s, and was cut off", self._patience)
        finally:
            for task in (streaming, *others):
                task.cancel()
            await asyncio.gather(streaming, *others, return_exceptions=True)
            await self._events.aclose()

    async def _stream(self, send: Send) -> None:
        async def put(body: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(self._patience):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await put(_RETRY + b"".join(map(frame, self._first)))
        try:
            async for body in self._bodies():
                await put(body)
        except WatchInterrupted as interrupted:
            await put(comment(str(interrupted)))
        await put(b"", more=False)

    async def _bodies(self) -> AsyncGenerator[bytes, None]:
        """Yield frames, and heartbeats between them."""
        stopped = asyncio.ensure_future(self._stopping.wait())
        upcoming: asyncio.Future[Event] | None = None
        try:
            while True:
                upcoming = asyncio.ensure_future(anext(self._events))
                while not upcoming.done():
                    await asyncio.wait(
                        [upcoming, stopped], timeout=self._heartbeat, return_when=asyncio.FIRST_COMPLETED
                    )
                    if stopped.done():
                        yield comment("The server stops. Come back, and go on after the last event.")
                        return
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


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
