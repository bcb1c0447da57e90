"""Settings with placeholders, and secrets that stay out of logs and messages."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import NoSecrets
from tests.integration.mcp.conftest import StartServers
from tests.mcp_stdio_settings import call_context, raw_server


class OneSecret(NoSecrets):
    """The secret ``PASSWORD``."""

    def values(self, names: Iterable[str]) -> Mapping[str, str]:
        return {name: "hunter2" if name == "PASSWORD" else self.value_for(name, "") for name in names}

    def redact_text(self, text: str) -> str:
        return text.replace("hunter2", "[secret:PASSWORD]")


async def test_secrets_and_variables_are_filled_in_where_settings_name_them(start_servers: StartServers) -> None:
    settings = raw_server(env={"LOGIN": "me:${PASSWORD}", "SEARCH": "${PATH}"})
    servers = await start_servers(secrets=OneSecret(), raw=settings)
    seen = json.loads(str(await servers.tool("raw", "environment").call({}, call_context())))
    assert seen["variables"]["LOGIN"] == "me:hunter2"
    assert seen["variables"]["SEARCH"] == os.defpath


async def test_a_missing_secret_is_a_problem_of_its_server_only(start_servers: StartServers) -> None:
    servers = await start_servers(bad=raw_server(env={"LOGIN": "${NO_SUCH}"}), good=raw_server())
    with pytest.raises(McpServerUnavailable, match="NO_SUCH") as caught:
        await servers.list_tools("bad")
    assert caught.value.server == "bad"
    assert await servers.list_tools("good")


async def test_secrets_stay_out_of_the_log_and_of_messages(start_servers: StartServers, tmp_path: Path) -> None:
    settings = raw_server().model_copy(update={"command": "/bin/sh", "args": ("-c", "echo ${PASSWORD} >&2; exit 1")})
    servers = await start_servers(secrets=OneSecret(), raw=settings)
    with pytest.raises(McpServerUnavailable, match=r"\[secret:PASSWORD\]") as caught:
        await servers.list_tools("raw")
    assert "hunter2" not in str(caught.value)
    assert (tmp_path / "logs" / "raw.log").read_text() == "[secret:PASSWORD]\n"
