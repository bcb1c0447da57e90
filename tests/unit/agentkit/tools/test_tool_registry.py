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


def test_a_second_tool_with_the_same_name_is_refused_with_both_origins() -> None:
    registry = ToolRegistry([find])
    with pytest.raises(ToolInvalid) as raised:
        registry.add(search)
    assert find.origin in str(raised.value)
    assert search.origin in str(raised.value)
    assert registry.get("find") is find


def test_the_origin_in_the_error_can_be_given() -> None:
    registry = ToolRegistry()
    registry.add(find, "built in")
    with pytest.raises(ToolInvalid, match=r"mine: there is a tool 'find' already: built in\. Rename one"):
        registry.add(search, "mine")


def test_for_an_unknown_name_the_error_lists_the_most_similar_and_all_names() -> None:
    with pytest.raises(ToolNotFound, match=r"There is no tool 'fnd'\. Did you mean 'find'\? Tools: find\."):
        ToolRegistry([find]).get("fnd")


def test_the_error_of_an_empty_registry_lists_no_names() -> None:
    with pytest.raises(ToolNotFound, match=r"There is no tool 'find'\. Tools: none\."):
        ToolRegistry().get("find")
