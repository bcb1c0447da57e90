"""Failures of calls, as errors of tools."""

from __future__ import annotations

import pytest
from mcp import MCPError

from agentkit.errors import ResultUnreadable, ToolArgumentsInvalid, ToolError, ToolInterrupted, ToolUnavailable
from agentkit.mcp.call_failures import call_error, call_timed_out, is_lost_state, required_urls
from agentkit.policy_rules import Effect


@pytest.mark.parametrize(
    ("code", "effect", "expected"),
    [
        (-32000, "irreversible", ToolInterrupted),
        (-32000, "idempotent", ToolUnavailable),
        (-32000, "pure", ToolUnavailable),
        (-32001, "irreversible", ToolInterrupted),
        (-32001, "pure", ToolError),
        (-32602, "irreversible", ToolArgumentsInvalid),
        (-32601, "irreversible", ToolError),
        (-32603, "irreversible", ToolError),
        (-32700, "irreversible", ResultUnreadable),
    ],
)
def test_whether_a_call_may_have_acted_decides_the_error(code: int, effect: Effect, expected: type[ToolError]) -> None:
    error = call_error("github", "push", effect, MCPError(code, "so it is"))
    assert type(error) is expected
    assert "MCP server github" in str(error)
    assert "push" in str(error)
    assert "so it is" in str(error)


@pytest.mark.parametrize(("effect", "expected"), [("irreversible", ToolInterrupted), ("pure", ToolError)])
def test_a_timeout_names_server_phase_and_tool(effect: Effect, expected: type[ToolError]) -> None:
    error = call_timed_out("github", "push", effect, "none within 60 s (timeout)")
    assert type(error) is expected
    assert str(error) == "MCP server github (request): no response to tools/call push: none within 60 s (timeout)"


def test_a_lost_state_is_told_from_other_invalid_arguments() -> None:
    assert is_lost_state(MCPError(-32602, "no", {"reason": "invalid_request_state"}))
    assert not is_lost_state(MCPError(-32602, "no"))
    assert not is_lost_state(MCPError(-32602, "no", {"reason": "other"}))


def test_pages_that_a_person_must_visit_are_read_from_the_error() -> None:
    request = {"mode": "url", "message": "Log in", "url": "https://example.com/", "elicitationId": "e1"}
    (page,) = required_urls(MCPError(-32042, "first log in", {"elicitations": [request]}))
    assert page.url == "https://example.com/"
    assert required_urls(MCPError(-32042, "first log in", {"elicitations": "?"})) == ()
    assert required_urls(MCPError(-32603, "other")) == ()
