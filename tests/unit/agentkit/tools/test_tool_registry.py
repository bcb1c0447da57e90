from __future__ import annotations

import pytest

from agentkit.errors import ToolInvalid, ToolNotFound
from agentkit.tools import ToolRegistry, tool


@tool
def find(text: str) -> str:
    """Find."""
    return text


@tool(name="find")
def search(text: str) -> str:
    """Search."""
    return text


def test_two_tools_of_one_name_are_refused_naming_both_origins() -> None:
    registry = ToolRegistry([find])
    with pytest.raises(ToolInvalid) as raised:
        registry.add(search)
    assert find.origin in str(raised.value)
    assert search.origin in str(raised.value)
    assert registry.get("find") is find


def test_an_origin_can_be_given_in_words() -> None:
    registry = ToolRegistry()
    registry.add(find, "built in")
    with pytest.raises(ToolInvalid, match=r"mine: there is a tool 'find' already: built in\. Rename one"):
        registry.add(search, "mine")


def test_a_missing_tool_is_answered_with_the_nearest_name_and_all_names() -> None:
    with pytest.raises(ToolNotFound, match=r"There is no tool 'fnd'\. Did you mean 'find'\? Tools: find\."):
        ToolRegistry([find]).get("fnd")


def test_an_empty_registry_says_that_there_are_none() -> None:
    with pytest.raises(ToolNotFound, match=r"There is no tool 'find'\. Tools: none\."):
        ToolRegistry().get("find")
