"""One HTTP client's requests to an MCP server, over a shared pool: bounded replies, and failures with a cause.

The SDK ends a client with all its requests if the transport raises. So a failed request gets a JSON-RPC error as its
reply instead, and what happened is kept in ``HttpExchange.failure``.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2
from mcp.client.auth import OAuthFlowError
from mcp_types import CONNECTION_CLOSED

from agentkit.mcp.http.oauth_errors import LoginRequired, RenewalFailed
from agentkit.mcp.reply_limits import ReplyTooLong, bounded_events, read_bounded, shortened_reply
from agentkit.mcp.server_problems import ProblemKind, first_words

__all__ = ["ExchangeFailure", "HttpExchange"]


_ERROR_BODY_BYTES = 65_536
_SESSION_HEADER = "mcp-session-id"
_NOT_RUN_STATUSES = frozenset({400, 404, 405, 406, 410, 411, 413, 414, 415, 426, 429, 431, 503})
"""Of replies to requests that were refused before anything ran."""
_NO_VERDICTS = frozenset({"unreachable", "timed_out", "not_authorized"})
"""The kinds of failure of ``server/discover`` after which no older protocol is tried."""
_FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OAuthFlowError, LoginRequired, RenewalFailed)
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)


@dataclass(frozen=True)
class ExchangeFailure:
    """Why a request failed."""

    kind: ProblemKind
    cause: str
    may_have_run: bool = False
    """Whether the server may have acted on the request."""


class _NoProtocolVerdict(Exception):
    """The probe for the protocol was not answered: this says nothing about the protocol, so there is no fallback."""


class HttpExchange(httpx2.AsyncBaseTransport):
    """The transport of a client that makes one request at a time."""

    def __init__(
        self,
        pool: httpx2.AsyncClient,
        *,
        max_reply_bytes: int,
        auth: httpx2.Auth | None = None,
        replies_in_stream: bool = False,
    ) -> None:
        """``replies_in_stream``: the protocol is that of 2024-11-05, where a POST is only acknowledged."""
        self._pool = pool
        self._replies_in_stream = replies_in_stream
        self._limit = max_reply_bytes
        self._auth = auth
        self._request_id: str | int | None = None
        self.failure: ExchangeFailure | None = None
        """Of the newest request; None while it is under way, and if it was answered."""
        self.is_session_lost = False
        """Whether the server doesn't know the session."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; a JSON-RPC request always gets a reply that the SDK can read."""
        message = _message_of(request)
        if message is None:
            return await self._open_stream(request)
        is_request = "method" in message and "id" in message
        if is_request:
            self.failure, self._request_id = None, message["id"]
        try:
            response = await self._send(request)
            if response.is_redirect:
                return await self._redirect(response)
            failure, reply = await self._read(response) if is_request else (await self._acknowledged(response), None)
        except _FAILURES as error:
            failure, reply = _failure_of(error, request), None
        if failure is not None:
            self.failure = failure
            if message.get("method") == "server/discover" and failure.kind in _NO_VERDICTS:
                raise _NoProtocolVerdict(failure.cause)
            return self._error_reply(request, failure.cause) if is_request else httpx2.Response(202, request=request)
        return reply or httpx2.Response(202, request=request)

    async def _open_stream(self, request: httpx2.Request) -> httpx2.Response:
        """Send a GET or DELETE; the SDK bears its failure, except that protocol 2024-11-05 depends on the stream."""
        try:
            response = await self._send(request)
        except _FAILURES as error:
            if self._replies_in_stream:
                self.failure = _failure_of(error, request)
            raise
        if self._replies_in_stream and response.status_code >= HTTPStatus.BAD_REQUEST:
            self.failure, _ = await self._read_error(response)
        return self._stream_of(response)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        return await self._pool.send(request, stream=True, auth=self._auth, follow_redirects=False)

    async def _read(self, response: httpx2.Response) -> tuple[ExchangeFailure | None, httpx2.Response | None]:
        """Return a failure, or the response for the SDK."""
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code == HTTPStatus.OK and content_type == "text/event-stream":
            return None, self._stream_of(response)
        try:
            if self._replies_in_stream and response.is_success:
                return None, None
            if response.status_code == HTTPStatus.OK:
                return await self._read_json(response, content_type)
            return await self._read_error(response)
        finally:
            await response.aclose()

    async def _read_json(
        self, response: httpx2.Response, content_type: str
    ) -> tuple[ExchangeFailure | None, httpx2.Response | None]:
        if content_type != "application/json":
            described = content_type or "no content type"
            return ExchangeFailure("wrong_protocol", f"the URL answers with {described}, not with MCP", True), None
        data, is_whole = await read_bounded(response.aiter_bytes(), self._limit)
        if not is_whole:
            shortened = shortened_reply(data, self._limit, self._request_id)
            if shortened is None:
                raise ReplyTooLong(self._limit)
            data = shortened
        if not _is_json_rpc(data):
            return ExchangeFailure("wrong_protocol", "the URL answers with JSON that is no MCP", True), None
        return None, _with_body(response, data)

    async def _read_error(self, response: httpx2.Response) -> tuple[ExchangeFailure | None, httpx2.Response | None]:
        status = response.status_code
        body, _ = await read_bounded(response.aiter_bytes(), _ERROR_BODY_BYTES)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return ExchangeFailure("not_authorized", _refusal(response)), None
        if _is_of_unknown_session(response, body):
            self.is_session_lost = True
            return ExchangeFailure("unreachable", "the server does not know the session, it may have restarted"), None
        if _is_json_rpc(body):
            return None, _with_body(response, body)
        may_have_run = status not in _NOT_RUN_STATUSES
        if status >= 500 or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS):
            return ExchangeFailure("unreachable", f"the server answers with {_described(status)}", may_have_run), None
        return ExchangeFailure("wrong_protocol", f"the URL answers with {_described(status)}", may_have_run), None

    async def _redirect(self, response: httpx2.Response) -> httpx2.Response:
        """Return a redirect for the SDK, which follows it within the URL's origin only."""
        await response.aclose()
        target = response.request.url.join(response.headers["location"])
        self.failure = ExchangeFailure("wrong_protocol", f"the URL redirects to {_host(target)}; use the URL there")
        return _with_body(response, b"")

    async def _acknowledged(self, response: httpx2.Response) -> ExchangeFailure | None:
        """Return why a notification or an answer to the server's request was not taken, if it wasn't."""
        await response.aclose()
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return None
        return ExchangeFailure("unreachable", f"the server answers with {_described(response.status_code)}", True)

    def _stream_of(self, response: httpx2.Response) -> httpx2.Response:
        stream = _EventStream(response, self._limit, self)
        return httpx2.Response(
            response.status_code, headers=_plain_headers(response), stream=stream, request=response.request
        )

    @property
    def request_id(self) -> str | int | None:
        """The id of the newest JSON-RPC request."""
        return self._request_id

    def _error_reply(self, request: httpx2.Request, cause: str) -> httpx2.Response:
        error = {"code": CONNECTION_CLOSED, "message": cause}
        return httpx2.Response(200, json={"jsonrpc": "2.0", "id": self._request_id, "error": error}, request=request)


class _EventStream(httpx2.AsyncByteStream):
    """The body of a response, decoded; the length of each event is bounded."""

    def __init__(self, response: httpx2.Response, limit: int, exchange: HttpExchange) -> None:
        self._response = response
        self._limit = limit
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in bounded_events(
                self._response.aiter_bytes(), self._limit, lambda: self._exchange.request_id
            ):
                yield chunk
        except ReplyTooLong as error:
            self._exchange.failure = ExchangeFailure("failed", str(error), may_have_run=True)
            raise

    async def aclose(self) -> None:
        await self._response.aclose()


def _message_of(request: httpx2.Request) -> Mapping[str, Any] | None:
    """Return the JSON-RPC message of a request; None of a GET or DELETE."""
    if request.method != "POST":
        return None
    message = json.loads(request.content)
    return message if isinstance(message, dict) else {}


def _is_json_rpc(data: bytes) -> bool:
    try:
        message = json.loads(data)
    except ValueError:
        return False
    return isinstance(message, dict) and ("result" in message or isinstance(message.get("error"), dict))


def _plain_headers(response: httpx2.Response) -> list[tuple[str, str]]:
    """Return the headers of a response whose body is decoded."""
    dropped = ("content-encoding", "content-length", "transfer-encoding")
    return [(name, value) for name, value in response.headers.multi_items() if name.lower() not in dropped]


def _with_body(response: httpx2.Response, data: bytes) -> httpx2.Response:
    return httpx2.Response(
        response.status_code, headers=_plain_headers(response), content=data, request=response.request
    )


def _is_of_unknown_session(response: httpx2.Response, body: bytes) -> bool:
    if _SESSION_HEADER not in response.request.headers:
        return False
    return response.status_code == HTTPStatus.NOT_FOUND or (
        response.status_code == HTTPStatus.BAD_REQUEST and b"session" in body.lower()
    )


def _refusal(response: httpx2.Response) -> str:
    """Describe a 401 or 403, with the scope that the server asks for."""
    challenge = response.headers.get("www-authenticate", "")
    scope = re.search(r'scope="([\x20-\x7e]{1,200}?)"', challenge) if "insufficient_scope" in challenge else None
    wanted = f"; it asks for the scope {scope[1]}" if scope else ""
    return f"the server answers with {_described(response.status_code)}{wanted}"


def _described(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _failure_of(error: Exception, request: httpx2.Request) -> ExchangeFailure:
    """Return the failure of a request that got no whole response."""
    host = _host(request.url)
    match error:
        case LoginRequired():
            return ExchangeFailure("not_authorized", str(error))
        case RenewalFailed():
            return ExchangeFailure("unreachable", str(error))
        case OAuthFlowError():
            return ExchangeFailure("not_authorized", f"no access token: {first_words(error)}")
        case ReplyTooLong():
            return ExchangeFailure("failed", str(error), may_have_run=True)
        case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return ExchangeFailure("timed_out", f"no connection to {host} in time")
        case httpx2.TimeoutException():
            return ExchangeFailure("timed_out", f"{host} did not answer in time", may_have_run=True)
        case httpx2.ConnectError():
            return ExchangeFailure("unreachable", f"no connection to {host}: {first_words(error)}")
        case _:
            cause = f"the connection to {host} was cut off ({first_words(error)})"
            return ExchangeFailure("unreachable", cause, may_have_run=not isinstance(error, _NOT_SENT))


def _host(url: httpx2.URL) -> str:
    """Return where a URL leads, without what may be secret in it."""
    return f"{url.scheme}://{url.netloc.decode('ascii', errors='replace').rpartition('@')[2]}"
