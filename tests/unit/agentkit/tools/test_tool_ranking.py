from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.specs import McpToolName, ToolSpec
from agentkit.tools.tool_ranking import ranked_tools


def spec(server: str, name: str, description: str = "", *arguments: str) -> ToolSpec:
    parameters: dict[str, JsonValue] = {"type": "object", "properties": {argument: {} for argument in arguments}}
    mcp = McpToolName(server=server, name=name)
    return ToolSpec(name=f"{server}__{name}", description=description, parameters=parameters, mcp=mcp)


TOOLS = [
    spec("github", "list_repositories", "Lists the repositories of an owner.", "owner"),
    spec("github", "create_issue", "Opens a new issue in a repository.", "owner", "title"),
    spec("github", "search_issues", "Finds issues by text.", "query"),
    spec("github", "createBranch", "Makes a branch.", "name"),
    spec("time", "convert_time", "Converts a time between time zones.", "source_timezone", "time"),
    spec("files", "read_file", "Reads a file."),
    spec("files", "write_file", "Writes text to a file, and creates it."),
]


def names(query: str) -> list[str]:
    return [tool.mcp.name for tool in ranked_tools(query, TOOLS) if tool.mcp]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("create issue", "create_issue"),
        ("create an issue on github please", "create_issue"),
        ("create_issue", "create_issue"),
        ("new branch", "createBranch"),
        ("list repos", "list_repositories"),
        ("repository list", "list_repositories"),
        ("which tool can convert between time zones", "convert_time"),
        ("timezone", "convert_time"),
        ("WRITE a FILE", "write_file"),
        ("search", "search_issues"),
        ("read", "read_file"),
    ],
)
def test_the_tool_that_is_meant_is_first(query: str, best: str) -> None:
    assert names(query)[0] == best


def test_the_exact_name_of_a_tool_comes_before_all_others() -> None:
    tools = [spec("a", "read_file_and_file_list", "read file read file"), spec("b", "read_file", "Opens.")]
    assert [tool.name for tool in ranked_tools("read_file", tools)] == ["b__read_file", "a__read_file_and_file_list"]


def test_tools_without_any_of_the_words_are_left_out() -> None:
    assert names("weather") == []
    assert "read_file" not in names("create issue")


def test_the_servers_name_finds_its_tools_and_they_keep_their_order() -> None:
    assert names("github") == ["list_repositories", "create_issue", "search_issues", "createBranch"]


@pytest.mark.parametrize("query", ["", "  ", "*", "?!"])
def test_without_words_all_tools_are_found(query: str) -> None:
    assert list(ranked_tools(query, TOOLS)) == TOOLS


def test_a_rare_word_counts_more_than_a_frequent_one() -> None:
    tools = [spec("s", f"record_{number}", "Reads a record.") for number in range(50)]
    tools.append(spec("s", "barometer", "Reads a record of a barometer."))
    assert ranked_tools("record barometer", tools)[0].name == "s__barometer"


def test_descriptions_of_any_length_and_language_are_searched_in_their_first_part() -> None:
    tools = [spec("s", "long", "word " * 500_000 + "end"), spec("s", "übersetzen", "Übersetzt Текст.")]
    assert [tool.name for tool in ranked_tools("übersetzen", tools)] == ["s__übersetzen"]
    assert [tool.name for tool in ranked_tools("текст", tools)] == ["s__übersetzen"]
    assert ranked_tools("end", tools) == []
    assert ranked_tools("word " * 10_000, tools)[0].name == "s__long"
