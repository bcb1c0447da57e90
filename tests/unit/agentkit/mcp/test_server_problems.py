"""Errors of servers that can't be used."""

from __future__ import annotations

from agentkit.mcp.server_problems import leaf_errors, unavailable


def test_the_message_names_the_server_the_phase_and_the_cause() -> None:
    error = unavailable("github", "list", "timed_out", "no response")
    assert str(error) == "MCP server github (list): no response"
    assert (error.server, error.kind) == ("github", "timed_out")


def test_errors_are_found_in_groups_of_groups() -> None:
    first, second = ValueError("1"), KeyError("2")
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [first]), second])
    assert list(leaf_errors(group)) == [first, second]
    assert list(leaf_errors(first)) == [first]
