"""Failures of a tool call, as the errors of tools: whether it took effect decides what happens next."""

from __future__ import annotations

from collections.abc import Sequence

from mcp import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
    URL_ELICITATION_REQUIRED,
    ElicitRequestURLParams,
)
from pydantic import TypeAdapter, ValidationError

from agentkit.errors import ResultUnreadable, ToolArgumentsInvalid, ToolError, ToolInterrupted, ToolUnavailable
from agentkit.policy_rules import Effect

__all__ = ["call_error", "call_timed_out", "is_lost_state", "required_urls"]

_URL_REQUESTS = TypeAdapter(list[ElicitRequestURLParams])
_MAX_TEXT_CHARS = 10_000


def call_error(server: str, tool: str, effect: Effect, error: MCPError) -> ToolError:
    """Return the error of a call that a server answered with an error, or whose connection ended."""
    text = str(error)[:_MAX_TEXT_CHARS]
    match error.code:
        case code if code == CONNECTION_CLOSED:
            message = f"MCP server {server} (request): the connection ended during tools/call {tool}: {text}"
            return ToolInterrupted(message) if effect == "irreversible" else ToolUnavailable(message)
        case code if code == REQUEST_TIMEOUT:
            return call_timed_out(server, tool, effect, text)
        case code if code == INVALID_PARAMS:
            return ToolArgumentsInvalid(f"MCP server {server} refuses the call of {tool}: {text}")
        case code if code == PARSE_ERROR:
            return ResultUnreadable(f"MCP server {server}: the result of {tool} can't be read: {text}")
        case _:
            return ToolError(f"MCP server {server} answers the call of {tool} with an error: {text} ({error.code})")


def call_timed_out(server: str, tool: str, effect: Effect, cause: str) -> ToolError:
    """Return the error of a call that got no response in time."""
    message = f"MCP server {server} (request): no response to tools/call {tool}: {cause}"
    return ToolInterrupted(message) if effect == "irreversible" else ToolError(message)


def is_lost_state(error: MCPError) -> bool:
    """Return whether the server doesn't know the state of a call that is resumed; then it has not acted."""
    return (
        error.code == INVALID_PARAMS
        and isinstance(error.data, dict)
        and error.data.get("reason") == "invalid_request_state"
    )


def required_urls(error: MCPError) -> Sequence[ElicitRequestURLParams]:
    """Return the pages that a person must visit before the call is made again; none of another error."""
    if error.code != URL_ELICITATION_REQUIRED or not isinstance(error.data, dict):
        return ()
    try:
        return _URL_REQUESTS.validate_python(error.data.get("elicitations"))
    except ValidationError:
        return ()
