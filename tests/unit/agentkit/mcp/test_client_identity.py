from __future__ import annotations

from importlib import metadata

from agentkit.mcp.client_identity import CLIENT_INFO


def test_servers_are_told_who_asks() -> None:
    assert (CLIENT_INFO.name, CLIENT_INFO.version) == ("opspawn", metadata.version("opspawn"))
