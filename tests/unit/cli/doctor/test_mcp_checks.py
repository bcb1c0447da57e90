from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from activities.settings import Settings
from agentkit.interfaces import McpServerProblem
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.mcp_process import McpServerChecked
from agentkit.specs import AgentDefinition
from cli.doctor.finding import Finding
from cli.doctor.mcp_checks import check_finding, problem_text, used_servers

COMMAND: dict[str, Any] = {"command": "uvx", "args": ["mcp-server-time"]}
URL: dict[str, Any] = {"url": "http://127.0.0.1:9/mcp"}


def finding(
    monkeypatch: pytest.MonkeyPatch, path: Path, kind: str, server: dict[str, Any], *, is_used: bool = True
) -> Finding:
    monkeypatch.chdir(path)
    problem = McpServerProblem.model_validate({"server": "s", "kind": kind, "message": "MCP server 's': it failed."})
    checked = McpServerChecked(name="s", problem=problem)
    settings = Settings(app_dir=path, data_dir=path / ".opspawn")
    return check_finding(checked, McpServerSettings.model_validate(server), settings, is_used=is_used)


@pytest.mark.parametrize(
    ("kind", "server", "cure", "remedies"),
    [
        ("command_not_found", COMMAND, "Install uvx, or correct", "python -m pip install uv"),
        ("command_not_found", {"command": "tool"}, "Install tool, or correct command in mcp.json", ()),
        ("crashed", COMMAND, "in mcp.json. All of its stderr is in .opspawn/mcp/s.log", ("uvx mcp-server-time",)),
        ("crashed", {"command": "x", "args": ["${KEY}"]}, "Correct its command", ()),
        ("unreachable", URL, "Start it, or correct its url in mcp.json", ()),
        ("not_authorized", URL, 'Add "opspawn": {"oauth": {}} in mcp.json, and log in', "opspawn mcp login s"),
        ("not_authorized", {**URL, "opspawn": {"oauth": {}}}, ". Log in", "opspawn mcp login s"),
        ("not_authorized", {**URL, "headers": {"Authorization": "Bearer ${T}"}}, "Correct the token", ()),
        (
            "not_authorized",
            {**URL, "opspawn": {"oauth": {"grant": "client_credentials"}}},
            "Correct the token",
            (),
        ),
        ("wrong_protocol", COMMAND, '"protocol": "auto"', ()),
        ("timed_out", COMMAND, "raise opspawn.connect_timeout", "opspawn mcp tools s"),
        ("failed", COMMAND, "Correct what it says", "opspawn mcp tools s"),
    ],
    ids=[
        "known command",
        "unknown command",
        "crashed",
        "crashed with a placeholder",
        "unreachable",
        "login without oauth",
        "login",
        "token",
        "client credentials",
        "protocol",
        "timeout",
        "failed",
    ],
)
def test_each_kind_of_problem_has_its_cure(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
    server: dict[str, Any],
    cure: str,
    remedies: tuple[str, ...] | str,
) -> None:
    found = finding(monkeypatch, tmp_path, kind, server)
    assert found.status == "missing"
    assert found.detail.startswith("it failed. ")
    assert cure in found.detail
    if isinstance(remedies, str):
        assert [command.endswith(remedies) for command in found.remedies] == [True]
    else:
        assert found.remedies == remedies


def test_a_server_that_no_agent_uses_is_only_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = finding(monkeypatch, tmp_path, "crashed", COMMAND, is_used=False)
    assert (found.status, "No agent uses it" in found.detail) == ("note", True)


def test_a_server_that_responds_is_reported_with_its_tools() -> None:
    server = McpServerSettings.model_validate(COMMAND)
    found = check_finding(McpServerChecked(name="time", tools=2), server, Settings(), is_used=True)
    assert found == Finding("MCP server time", "ok", "stdio, 2 tools")


def test_the_servers_of_agents_are_those_of_their_patterns() -> None:
    agents = [
        AgentDefinition(name="a", tools=("mcp:time/*", "calculator")),
        AgentDefinition(name="b", tools=("mcp:git",)),
    ]
    assert used_servers(agents) == {"time", "git"}


def test_an_agent_with_the_proxy_uses_all_servers() -> None:
    assert used_servers([AgentDefinition(name="a", tools=("mcp_proxy",))]) is None


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("MCP server s (connect): it ended\nIts last lines:\nA\nB.", "it ended. Its last lines: A. B."),
        ("MCP server s (call): no response", "(call): no response"),
        ("MCP server 's': no response", "no response"),
        ("", ""),
    ],
    ids=["lines", "phase", "quoted", "empty"],
)
def test_a_problem_is_one_line_without_the_servers_name(message: str, text: str) -> None:
    assert problem_text(McpServerProblem(server="s", kind="failed", message=message)) == text
