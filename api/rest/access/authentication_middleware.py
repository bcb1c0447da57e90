"""Authenticate each HTTP request, and end it when its key or token is no longer valid."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.authentication import Authentication
from api.access.client_address import UNKNOWN_ADDRESS
from api.access.validity_watch import CredentialExpired, while_valid
from api.current_principal import acting_as
from api.rest.access.route_roles import OPEN_PATHS
from api.rest.problems import service_problem
from api.tasks.errors import AuthenticationFailuresLimited, AuthenticationUnavailable, NotAuthenticated, RequestsLimited

__all__ = ["AuthenticationMiddleware"]

_CLOSING_TIMEOUT_S = 5.0
_NO_LONGER_VALID = "The API key or token is no longer valid."


class AuthenticationMiddleware:
    """Runs the application as the principal of each request's ``Authorization`` header."""

    def __init__(self, app: ASGIApp, authentication: Authentication, open_paths: frozenset[str] = OPEN_PATHS) -> None:
        """Authenticate before ``app``, but for ``open_paths``."""
        self._app = app
        self._authentication = authentication
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond with 401, 429 or 503."""
        if scope["type"] != "http" or not self._authentication.is_on or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        try:
            identity = await self._authentication.identify(_authorization(scope), _address(scope))
        except (AuthenticationFailuresLimited, AuthenticationUnavailable, NotAuthenticated, RequestsLimited) as error:
            await service_problem(error)(scope, receive, send)
            return
        response = _Response(send)
        try:
            with acting_as(identity.principal):
                async with while_valid(identity, self._authentication.recheck_interval_s):
                    await self._app(scope, receive, response.send)
        except CredentialExpired:
            await response.end(scope, receive)


class _Response:
    """Knows what has been sent of a response."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._has_started = False
        self._is_event_stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._has_started = True
            content_type = Headers(raw=message["headers"]).get("content-type", "")
            self._is_event_stream = content_type.startswith("text/event-stream")
        await self._send(message)

    async def end(self, scope: Scope, receive: Receive) -> None:
        """Refuse the request; an event stream that has begun ends after a comment, any other response is cut off."""
        if not self._has_started:
            await service_problem(NotAuthenticated(_NO_LONGER_VALID))(scope, receive, self._send)
        elif self._is_event_stream:
            with suppress(TimeoutError):  # the client may not be reading
                async with asyncio.timeout(_CLOSING_TIMEOUT_S):
                    body = f": {_NO_LONGER_VALID}\n\n".encode()
                    await self._send({"type": "http.response.body", "body": body, "more_body": False})
        # else Uvicorn closes the connection, because the response isn't complete


def _address(scope: Scope) -> str:
    """Return the client's address, which Uvicorn takes from ``X-Forwarded-For`` where a trusted proxy sends it."""
    client = scope.get("client")
    return str(client[0]) if client else UNKNOWN_ADDRESS


def _authorization(scope: Scope) -> str | None:
    """Return the header; None where there is none, or several, of which a proxy may have checked another one."""
    values = Headers(scope=scope).getlist("authorization")
    return values[0] if len(values) == 1 else None
