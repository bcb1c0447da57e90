from __future__ import annotations

import re

import pytest

from agentkit.mcp_config.mcp_names import model_tool_names, split_pattern, tool_matches
from agentkit.specs import McpToolName

ALPHABET = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        pytest.param(("github", "create_issue"), "github__create_issue", id="as it is"),
        pytest.param(("my.server", "read/all files"), "my_server__read_all_files", id="other characters"),
        pytest.param(("1st", "go"), "mcp_1st__go", id="digit first"),
    ],
)
def test_a_name_is_the_server_and_the_tool(tool: tuple[str, str], name: str) -> None:
    assert model_tool_names([tool]) == {tool: name}


def test_names_are_unique_and_fit_all_providers() -> None:
    tools = [("s", "a.b"), ("s", "a_b"), ("s", "x" * 200), ("s", "x" * 201), ("s", "über"), ("", "")]
    names = model_tool_names(tools, taken=["s___ber"])

    assert len({*names.values(), "s___ber"}) == len(tools) + 1
    assert all(ALPHABET.fullmatch(name) for name in names.values()), names


def test_a_long_name_doesnt_depend_on_other_tools() -> None:
    long = ("s", "x" * 200)
    assert model_tool_names([long])[long] == model_tool_names([("s", "y"), long])[long]


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("mcp:github/create_*", ("github", "create_*")),
        ("github/a/b", ("github", "a/b")),
        ("mcp:github", ("github", "*")),
        ("github/", ("github", "")),
    ],
)
def test_a_pattern_is_a_server_and_a_pattern_of_tools(pattern: str, parts: tuple[str, str]) -> None:
    assert split_pattern(pattern) == parts


def test_a_pattern_matches_the_tools_of_its_server_only() -> None:
    tool = McpToolName(server="github", name="create_issue")

    assert tool_matches("github/create_*", tool)
    assert tool_matches("github", tool)
    assert not tool_matches("git*/create_*", tool)
    assert not tool_matches("github/delete_*", tool)
