"""Failures of requests over HTTP, as errors that name the server, the phase, the cause and the cure."""

from __future__ import annotations

import httpx2
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED, HEADER_MISMATCH, REQUEST_TIMEOUT, UNSUPPORTED_PROTOCOL_VERSION
from pydantic import ValidationError

from agentkit.errors import McpServerUnavailable
from agentkit.mcp.http.http_exchange import ExchangeFailure, HttpExchange
from agentkit.mcp.http.sse_transport import SseError
from agentkit.mcp.protocol_choice import ProtocolMissing
from agentkit.mcp.server_problems import Phase, ProblemKind, leaf_errors, unavailable
from agentkit.mcp_config.mcp_settings import McpServerSettings

__all__ = ["connect_error", "request_error"]


def connect_error(
    server: str, settings: McpServerSettings, error: BaseException, exchange: HttpExchange
) -> McpServerUnavailable:
    """Return why there is no connection."""
    if exchange.failure is not None:
        return _error_of(server, settings, "connect", exchange.failure)
    kind, cause = _kind_and_cause(next(leaf_errors(error)))
    return unavailable(server, "connect", kind, cause)


def request_error(server: str, settings: McpServerSettings, error: Exception, exchange: HttpExchange) -> Exception:
    """Return the error of a request: ``McpServerUnavailable`` if it wasn't processed, else ``error`` with its cause."""
    if not isinstance(error, MCPError):
        return error
    failure = exchange.failure
    if failure is not None and not failure.may_have_run:
        return _error_of(server, settings, "request", failure)
    if failure is not None:
        return MCPError(CONNECTION_CLOSED, f"MCP server {server} (request): {failure.cause}")
    if error.code in (UNSUPPORTED_PROTOCOL_VERSION, HEADER_MISMATCH):
        kind, cause = _kind_and_cause(error)
        return unavailable(server, "request", kind, cause)
    return error


def _error_of(server: str, settings: McpServerSettings, phase: Phase, failure: ExchangeFailure) -> McpServerUnavailable:
    cause = failure.cause
    if failure.kind == "not_authorized":
        cause = f"{cause}. {_cure(server, settings)}"
    return unavailable(server, phase, failure.kind, cause)


def _cure(server: str, settings: McpServerSettings) -> str:
    match settings.opspawn.oauth:
        case None:
            return "Set headers (Authorization), or oauth under opspawn"
        case oauth if oauth.grant == "client_credentials":
            return "Check oauth.client_id, oauth.client_secret and oauth.scope"
        case _:
            return f"Log in: opspawn mcp login {server}"


def _kind_and_cause(error: BaseException) -> tuple[ProblemKind, str]:
    match error:
        case MCPError() if error.code == UNSUPPORTED_PROTOCOL_VERSION:
            return "wrong_protocol", f"the server speaks another version of the protocol: {error}"
        case MCPError() if error.code == HEADER_MISMATCH:
            return "failed", "the server's tools have changed; they are listed anew for the next request"
        case MCPError() if error.code == REQUEST_TIMEOUT:
            return "timed_out", f"no answer: {error}"
        case MCPError():
            return "failed", f"the server refuses the connection: {error}"
        case SseError() | ProtocolMissing() | httpx2.SSEError():
            return "wrong_protocol", str(error)
        case ValidationError() | ValueError() | KeyError():
            return "wrong_protocol", "the server's answer does not fit the protocol"
        case httpx2.HTTPError():
            return "unreachable", str(error) or type(error).__name__
        case _:
            return "failed", f"{type(error).__name__}: {error}"
