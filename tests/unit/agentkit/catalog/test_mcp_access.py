"""Which MCP tools agents may have, and which rules of policies can match them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.catalog.mcp_access import McpAccess, mcp_hint
from agentkit.catalog.mcp_file import McpFile
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.specs import AgentDefinition, McpSelection

SERVERS = {
    "github": {"command": "github", "opspawn": {"tools": {"allow": ["*"], "deny": ["delete_*"]}}},
    "gitlab": {"command": "gitlab"},
    "time": {"command": "time", "opspawn": {"tools": {"allow": ["convert"]}}},
    "off": {"command": "off", "disabled": True},
}
FILE = McpFile(
    Path("mcp.json"),
    {name: McpServerSettings.model_validate(entry) for name, entry in SERVERS.items()},
    broken=frozenset({"bad"}),
)


def access(*tools: str, required: bool | list[str] = False) -> McpAccess:
    definition = {"name": "a", "tools": tools, "mcp": {"required": required}}
    return McpAccess(AgentDefinition.model_validate(definition), FILE)


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        (["calculator", "mcp:github/*"], ["github/*"]),
        (["mcp:github", "mcp:github/*", "mcp:time/convert"], ["github/*", "time/convert"]),
        (["mcp:git*/list_*"], ["github/list_*", "gitlab/list_*"]),
        (["mcp:*"], ["github/*", "gitlab/*", "time/*"]),
        (["mcp:off/*", "mcp:time/*"], ["time/*"]),
    ],
)
def test_an_agents_patterns_are_those_of_servers_that_can_be_used(tools: list[str], expected: list[str]) -> None:
    found = access(*tools)
    assert list(found.issues()) == []
    assert found.selection() == McpSelection(tools=tuple(expected))


@pytest.mark.parametrize("tools", [[], ["calculator"], ["mcp_proxy"], ["mcp:off/*"]])
def test_without_patterns_nothing_is_listed(tools: list[str]) -> None:
    assert access(*tools).selection() is None


def test_required_servers_are_in_the_selection() -> None:
    tools = ("mcp:github/*", "mcp:time/convert")
    assert access(*tools, required=True).selection() == McpSelection(
        tools=("github/*", "time/convert"), required=("github", "time")
    )
    one = access(*tools, required=["time"]).selection()
    assert one is not None
    assert one.required == ("time",)


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (
            "mcp:gihub/*",
            "there is no MCP server 'gihub' in mcp.json. Did you mean 'github'? Servers: github, gitlab, time, off",
        ),
        ("mcp:", "expected mcp:SERVER/PATTERN, such as mcp:github/* or mcp:time/convert, got 'mcp:'"),
        ("mcp:time/", "expected mcp:SERVER/PATTERN, such as mcp:github/* or mcp:time/convert, got 'mcp:time/'"),
        ("mcp:z*/x", "no MCP server matches 'z*'. Servers: github, gitlab, time, off"),
        ("mcp:bad/*", "the entry of the MCP server 'bad' in mcp.json is wrong"),
        (
            "mcp:time/now",
            "mcp.json doesn't offer the tool 'now': see mcpServers.time.opspawn.tools.allow",
        ),
        (
            "mcp:github/delete_repo",
            "mcp.json doesn't offer the tool 'delete_repo': see mcpServers.github.opspawn.tools.deny",
        ),
    ],
)
def test_a_wrong_pattern_is_an_issue_of_its_place(tool: str, expected: str) -> None:
    (issue,) = access("calculator", tool).issues()
    assert (issue.path, issue.message) == (("tools", 1), expected)


@pytest.mark.parametrize(
    ("required", "path", "expected"),
    [
        (["tme"], ("mcp", "required", 0), "there is no MCP server 'tme' in mcp.json. Did you mean 'time'?"),
        (["time"], ("mcp", "required", 0), "tools names no tool of the MCP server 'time'. Add mcp:time/* to tools"),
        (["off"], ("mcp", "required", 0), "the MCP server 'off' is disabled in mcp.json"),
    ],
)
def test_only_servers_of_the_agent_can_be_required(
    required: list[str], path: tuple[str | int, ...], expected: str
) -> None:
    (issue,) = access("mcp:github/*", required=required).issues()
    assert issue.path == path
    assert issue.message.startswith(expected)


def test_an_agent_without_patterns_requires_nothing() -> None:
    (issue,) = access("calculator", required=True).issues()
    assert (issue.path, issue.message) == (("mcp", "required"), "tools names no MCP server, such as mcp:SERVER/*")


@pytest.mark.parametrize(
    ("tools", "rule", "expected"),
    [
        (["mcp:github/*"], "mcp:github/delete_*", None),
        (["mcp:github/*"], "mcp:github/create_issue", None),
        (["mcp:github/*"], "mcp:*", None),
        (["mcp:github/*"], "mcp:g*/create_issue", None),
        (["mcp:git*"], "mcp:gitlab/x", None),
        (["mcp_proxy"], "mcp:gitlab/anything", None),
        (["mcp_proxy"], "mcp:gitlb/anything", "there is no MCP server 'gitlb' in mcp.json. Did you mean 'gitlab'?"),
        (["mcp:github/*"], "mcp:gitlab/*", "this agent has no tool of the MCP server 'gitlab': tools has neither"),
        (["mcp:github/list_repos"], "mcp:github/list_repo", "this agent has no tool 'mcp:github/list_repo'. Did you"),
    ],
)
def test_a_rule_that_can_match_no_call_has_a_problem(tools: list[str], rule: str, expected: str | None) -> None:
    problem = access(*tools).rule_problem(rule)
    assert problem == expected if expected is None or problem is None else problem.startswith(expected)


@pytest.mark.parametrize(
    ("tools", "pattern", "expected"),
    [
        (["mcp:github/*"], "*", True),
        (["mcp:github/*"], "git*", True),
        (["mcp:github/*"], "github__*", True),
        (["mcp:github/*"], "github__create_issue", True),
        (["mcp_proxy"], "gitlab__x", True),
        (["mcp:github/*"], "gitlab__x", False),
        (["mcp:github/*"], "calc*", False),
        (["calculator"], "*", False),
    ],
)
def test_which_other_patterns_may_match_tools_of_servers(tools: list[str], pattern: str, expected: bool) -> None:
    assert access(*tools).may_match(pattern) is expected


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("github/create_issue", " Did you mean 'mcp:github/create_issue'?"),
        ("github__create_issue", " Did you mean 'mcp:github/create_issue'?"),
        ("github", " Did you mean 'mcp:github/*'?"),
        ("mcp_call", " Did you mean 'mcp_proxy'?"),
        ("calculator", ""),
        ("x/y", ""),
    ],
)
def test_the_name_of_a_tool_may_mean_one_of_a_server(name: str, hint: str) -> None:
    assert mcp_hint(name, FILE) == hint
