"""Versions of the protocol."""

from __future__ import annotations

import pytest

from agentkit.errors import McpServerUnavailable
from agentkit.mcp.protocol_choice import client_mode, is_older


@pytest.mark.parametrize(
    ("protocol", "mode"),
    [("auto", "auto"), ("legacy", "legacy"), ("2025-06-18", "legacy"), ("2026-07-28", "2026-07-28")],
)
def test_older_versions_are_negotiated_and_newer_ones_are_fixed(protocol: str, mode: str) -> None:
    assert client_mode("x", protocol) == mode


def test_an_unknown_version_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        McpServerUnavailable, match=r"protocol 2030-01-01 is not supported; one of .*2026-07-28 is"
    ) as caught:
        client_mode("x", "2030-01-01")
    assert caught.value.kind == "wrong_protocol"


def test_only_older_versions_have_sessions() -> None:
    assert is_older("2025-11-25")
    assert not is_older("2026-07-28")
