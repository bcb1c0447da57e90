"""What the doctor finds about real MCP servers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from activities.settings import Settings
from agentkit.catalog.mcp_file import read_mcp_file
from agentkit.specs import AgentDefinition
from cli.doctor import mcp_checks
from cli.doctor.finding import Finding
from cli.doctor.mcp_checks import mcp_findings
from tests.integration.cli.mcp_app import processes_of, write_servers

AGENT = AgentDefinition(name="a", tools=("mcp:time/*", "mcp:crash/*", "mcp:hang"))


async def findings(app: Path, *agents: AgentDefinition) -> dict[str, Finding]:
    settings = Settings(app_dir=app, data_dir=app / "data")
    found = await mcp_findings(settings, read_mcp_file(app).servers, agents)
    return {finding.subject.removeprefix("MCP server "): finding for finding in found}


async def test_each_server_is_tried_and_its_problem_named(tmp_path: Path) -> None:
    found = await findings(write_servers(tmp_path), AGENT)
    assert {name: finding.status for name, finding in found.items()} == {
        **{"time": "ok", "chatty": "ok", "modern": "ok"},
        **{"crash": "missing", "hang": "missing", "gone": "note"},
    }
    assert found["time"].detail == "stdio, 2 tools"
    assert found["chatty"].detail == "stdio, 3 tools. No agent uses it"
    assert "No module named x" in found["crash"].detail
    assert found["crash"].remedies[0].startswith(sys.executable)
    assert "connect_timeout" in found["hang"].detail
    assert "Install no-such-program, or correct command" in found["gone"].detail


async def test_a_server_that_hangs_holds_up_the_doctor_for_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = write_servers(tmp_path)
    text = (app / "mcp.json").read_text()
    (app / "mcp.json").write_text(text.replace('"connect_timeout": 1', '"connect_timeout": 600'))
    monkeypatch.setattr(mcp_checks, "_CHECK_TIMEOUT_S", 10.0)
    found = await findings(app, AGENT)
    assert (found["time"].status, found["hang"].status) == ("ok", "missing")
    assert "no response within 10 s" in found["hang"].detail
    assert processes_of(app) == []


async def test_without_servers_nothing_is_started(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"off": {"command": "x", "disabled": true}}}')
    assert await findings(tmp_path) == {}
