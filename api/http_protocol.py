"""HTTP/1.1 whose clients are bounded in number, and in the time they take to send requests and to read responses."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from activities.settings import Settings
from api.access.client_address import with_mapped_networks
from api.rest.access.header_limits import MAX_HEAD_BYTES, headers_too_large
from api.rest.problems import problem_response

__all__ = ["BoundedHttpProtocol", "HttpConfig", "HttpLimits"]

logger = logging.getLogger(__name__)
_REFUSABLE_CONNECTIONS = 100
"""Connections beyond the limit that wait for a 503; still more are closed at once."""
_LOG_INTERVAL_S = 60.0
_LIVENESS_PATH = "/healthz"
"""Gets its response from a full server, too: an orchestrator must not restart it for that."""


@dataclass(frozen=True)
class HttpLimits:
    """How many connections there may be, and the seconds that their clients may take; see ``Settings``."""

    max_connections: int
    header_timeout: float
    body_timeout: float
    write_timeout: float
    keep_alive_timeout: int

    @classmethod
    def of(cls, settings: Settings, *, max_connections: int) -> HttpLimits:
        """Return the configured limits, with a number of connections for which there are enough file descriptors."""
        return cls(
            max_connections,
            settings.header_timeout,
            settings.body_timeout,
            settings.write_timeout,
            settings.keep_alive_timeout,
        )


class HttpConfig(uvicorn.Config):
    """Uvicorn's configuration, with our limits and protocol."""

    def __init__(self, app: ASGIApp, limits: HttpLimits, *, grace_s: int, trusted_proxies: Sequence[str] = ()) -> None:
        """Configure a server of ``app``; requests in flight may take ``grace_s`` seconds when it stops.

        ``trusted_proxies`` are addresses and networks whose ``X-Forwarded-For`` names the client.
        """
        super().__init__(
            app,
            http=BoundedHttpProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            forwarded_allow_ips=with_mapped_networks(trusted_proxies),
            timeout_keep_alive=limits.keep_alive_timeout,
            timeout_graceful_shutdown=grace_s,
        )
        self.limits = limits
        self.refusals = _RefusalLog(limits.max_connections)


class BoundedHttpProtocol(H11Protocol):
    """One connection. Uvicorn itself bounds only the time between requests."""

    def __init__(self, config: uvicorn.Config, *args: Any, **kwargs: Any) -> None:
        """Prepare a connection; ``config`` must be an ``HttpConfig``, the rest is Uvicorn's."""
        super().__init__(config, *args, **kwargs)
        if not isinstance(config, HttpConfig):
            raise TypeError("BoundedHttpProtocol needs an HttpConfig")
        self._limits = config.limits
        self._refusals = config.refusals
        self._receive_timer: asyncio.TimerHandle | None = None
        self._receiving: type[h11.IDLE] | type[h11.SEND_BODY] | None = None
        """The part of a request that the timer is for: headers or body."""
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in H11Protocol
        """Serve a connection, or refuse it where there are too many."""
        super().connection_made(transport)
        surplus = len(self.connections) - self._limits.max_connections
        if surplus > 0:
            self._refusals.count()
            self.app = _unless_liveness(self.app)
        if surplus > _REFUSABLE_CONNECTIONS:
            transport.abort()
        else:
            self._expect(h11.IDLE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers, which would keep this object until they end."""
        super().connection_lost(exc)
        self._expect(None)
        self._stop_write_timer()

    def handle_events(self) -> None:
        """Parse what has been received; then give the client its time for what is missing."""
        super().handle_events()
        if self.transport.is_closing():
            return
        state = self.conn.their_state
        if state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._expect(h11.IDLE)
        else:
            self._expect(h11.SEND_BODY if state is h11.SEND_BODY else None)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request with a problem, in place of Uvicorn's text: 431 for headers that are too long.

        Uvicorn calls this while it handles the exception of h11, which has the status.
        """
        error = sys.exception()
        if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431:
            self._refuse(headers_too_large(), b"Request Header Fields Too Large")
        else:
            detail = "This is no HTTP/1.1 request: " + (str(error) or msg) + "."
            self._refuse(problem_response(400, detail, kind="bad-request"), b"Bad Request")

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: the request is served without the upgrade, as HTTP allows."""

    def _expect(self, part: type[h11.IDLE] | type[h11.SEND_BODY] | None) -> None:
        """Start a timer for a part of a request; the timer of the same part goes on, so that bytes don't extend it."""
        if part is self._receiving:
            return
        if self._receive_timer is not None:
            self._receive_timer.cancel()
        self._receiving, self._receive_timer = part, None
        if part is not None:
            timeout = self._limits.header_timeout if part is h11.IDLE else self._limits.body_timeout
            self._receive_timer = self.loop.call_later(timeout, self._receive_too_slow, timeout)

    def _receive_too_slow(self, timeout: float) -> None:
        """Close the connection; with a response where none has begun and part of a request is there."""
        if self.transport.is_closing():
            return
        if self._receiving is h11.SEND_BODY or self.conn.trailing_data[0]:
            detail = f"The request didn't arrive within {timeout:g} s."
            self._refuse(problem_response(408, detail, kind="request-timeout"), b"Request Timeout")
        else:
            self.transport.close()

    def _refuse(self, response: Response, reason: bytes) -> None:
        """Close the connection, after this response where none has begun."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # so that the application sends nothing more
            cycle.message_event.set()
        try:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._send_problem(response, reason)
        finally:
            self.transport.close()

    def _send_problem(self, response: Response, reason: bytes) -> None:
        headers = [*response.raw_headers, (b"connection", b"close")]
        events: list[h11.Event] = [h11.Response(status_code=response.status_code, headers=headers, reason=reason)]
        if not self._is_head_request():
            events.append(h11.Data(data=bytes(response.body)))
        for event in (*events, h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def _is_head_request(self) -> bool:
        """Return whether the request, if it has been parsed, is one whose response has no body."""
        return self.conn.our_state is h11.SEND_RESPONSE and self.scope["method"] == "HEAD"

    def pause_writing(self) -> None:
        """Give a client its time to read: more is waiting to be sent than the transport takes."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Go on sending."""
        super().resume_writing()
        self._stop_write_timer()

    def _start_write_timer(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self._limits.write_timeout, self._write_too_slow, unsent)

    def _write_too_slow(self, unsent_before: int) -> None:
        if self.transport.get_write_buffer_size() < unsent_before:
            self._start_write_timer()
        else:
            self.transport.abort()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class _RefusalLog:
    """Logs refused connections, once a minute."""

    def __init__(self, max_connections: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_connections = max_connections
        self._clock = clock
        self._next_log = clock()
        self._refused = 0

    def count(self) -> None:
        """Count a refused connection."""
        self._refused += 1
        if self._clock() >= self._next_log:
            logger.warning(
                "Connections refused: %d, because %d are open (setting max_connections, and the limit of open files)",
                self._refused,
                self._max_connections,
            )
            self._refused, self._next_log = 0, self._clock() + _LOG_INTERVAL_S


def _unless_liveness(app: ASGIApp) -> ASGIApp:
    """Return an application that refuses every request but the one that asks whether this process lives."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == _LIVENESS_PATH:
            await app(scope, receive, send)
            return
        await problem_response(
            503,
            "This API has as many connections as it takes (setting max_connections): try again when others have closed",
            kind="too-many-connections",
            title="Too many connections",
            headers={"Retry-After": "2", "Connection": "close"},
        )(scope, receive, send)

    return refuse
