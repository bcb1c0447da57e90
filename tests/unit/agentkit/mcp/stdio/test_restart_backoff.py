"""When a server is started again."""

from __future__ import annotations

import pytest

from agentkit.errors import McpServerUnavailable
from agentkit.mcp.stdio.restart_backoff import RestartBackoff

CRASH = McpServerUnavailable("MCP server x (connect): it ended\nlast line", server="x", kind="crashed")


def test_a_server_that_ended_once_is_started_again_at_once() -> None:
    backoff = RestartBackoff()
    backoff.check()
    backoff.ended(CRASH, lifetime_s=0.1)
    backoff.check()


def test_a_crash_loop_is_reported_with_its_cause_and_not_started_at_full_speed() -> None:
    backoff = RestartBackoff()
    backoff.ended(CRASH, lifetime_s=0.1)
    backoff.ended(CRASH, lifetime_s=0.1)
    with pytest.raises(McpServerUnavailable) as caught:
        backoff.check()
    assert str(caught.value) == (
        "MCP server x (connect): it ended (2 times in a row; next start in 1 s at the earliest)\nlast line"
    )
    assert (caught.value.server, caught.value.kind) == ("x", "crashed")


def test_a_failed_start_is_remembered_longer_each_time() -> None:
    backoff = RestartBackoff()
    for _ in range(4):
        backoff.failed_to_start(CRASH)
    with pytest.raises(McpServerUnavailable, match=r"4 times in a row; next start in 8 s"):
        backoff.check()
    for _ in range(40):
        backoff.failed_to_start(CRASH)
    with pytest.raises(McpServerUnavailable, match=r"next start in 60 s"):
        backoff.check()


def test_a_server_that_ran_for_long_is_started_at_once_whatever_was_before() -> None:
    backoff = RestartBackoff()
    backoff.ended(CRASH, lifetime_s=0.1)
    backoff.ended(CRASH, lifetime_s=3_600)
    backoff.check()
