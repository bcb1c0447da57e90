"""The tools on a task's files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue

from activities.storage.task_file_store import TaskFileStore
from agentkit.errors import ToolError
from agentkit.interfaces import FileChanges, FileLimits, NewFile, Tool
from agentkit.runtime.calls.tool_invocation import invoke_tool, tool_context
from agentkit.tools.builtin.file_tools import file_tools


class TaskFilesTools:
    """The tools, for one task."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._calls = 0

    async def call(self, name: str, *, call_id: str | None = None, **arguments: JsonValue) -> str:
        self._calls += 1
        context = tool_context("task", call_id or f"call-{self._calls}", 1)
        return str(await invoke_tool(self._tools[name], arguments, context))


@pytest.fixture
def store(tmp_path: Path) -> TaskFileStore:
    return TaskFileStore(tmp_path, "default", FileLimits(total_bytes=2**20, count=50))


@pytest.fixture
def tools(store: TaskFileStore) -> TaskFilesTools:
    return TaskFilesTools(file_tools(store))


async def test_what_is_written_is_read_and_listed(tools: TaskFilesTools) -> None:
    assert await tools.call("write_file", path="a/b.txt", content="one\ntwo\n") == "Wrote a/b.txt: it has 8 bytes."
    assert await tools.call("write_file", path="a/b.txt", content="three", append=True) == (
        "Added to a/b.txt: it has 13 bytes."
    )
    assert await tools.call("read_file", path="./a/b.txt") == "[a/b.txt: lines 1 to 3 of 3.]\none\ntwo\nthree"
    assert await tools.call("write_file", path="a/b.txt", content="") == "Replaced a/b.txt: it has 0 bytes."
    assert await tools.call("list_files") == "a/b.txt (0 bytes)"
    assert await tools.call("read_file", path="a/b.txt") == "[a/b.txt: lines 0 to 0 of 0.]\n"


async def test_another_attempt_of_an_append_adds_nothing(tools: TaskFilesTools) -> None:
    for _ in range(2):
        await tools.call("write_file", path="log", content="x", append=True, call_id="c1")
    assert "\nx" in await tools.call("read_file", path="log")
    assert "1 of 1" in await tools.call("read_file", path="log")
    assert await tools.call("list_files") == "log (1 bytes)"


async def test_appends_at_once_are_all_there(tools: TaskFilesTools) -> None:
    await asyncio.gather(*(tools.call("write_file", path="log", content=f"{n}\n", append=True) for n in range(8)))
    text = await tools.call("read_file", path="log")
    assert sorted(text.splitlines()[1:]) == [str(n) for n in range(8)]


async def test_parts_of_a_long_file_are_read(tools: TaskFilesTools) -> None:
    await tools.call("write_file", path="long", content="\n".join(f"line {n}" for n in range(1, 3001)))
    text = await tools.call("read_file", path="long", start=1500, lines=2)
    assert text == "[long: lines 1500 to 1501 of 3,000. Read on with start=1502.]\nline 1500\nline 1501\n"
    with pytest.raises(ToolError, match=r"has 3,000 lines; there is no line 3,001"):
        await tools.call("read_file", path="long", start=3001)


async def test_a_long_line_is_cut(tools: TaskFilesTools) -> None:
    await tools.call("write_file", path="long", content="x" * 100_000 + "\nshort")
    text = await tools.call("read_file", path="long")
    assert len(text) < 32_000
    assert "100,001 characters" in text
    assert "Read on with start=2" in text


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ""])
@pytest.mark.parametrize("name", ["read_file", "write_file"])
async def test_no_path_leads_out_of_the_directory(tools: TaskFilesTools, name: str, path: str) -> None:
    arguments = {"content": "x"} if name == "write_file" else {}
    with pytest.raises(ToolError, match="Give a path"):
        await tools.call(name, path=path, **arguments)


async def test_a_missing_file_gives_the_names_of_the_others(tools: TaskFilesTools) -> None:
    await tools.call("write_file", path="report.csv", content="x")
    with pytest.raises(ToolError, match=r"no file 'raport.csv'\. Did you mean 'report\.csv'\? Files: report\.csv\."):
        await tools.call("read_file", path="raport.csv")


async def test_a_binary_file_is_described(tools: TaskFilesTools, store: TaskFileStore) -> None:
    changes = FileChanges({"image.png": NewFile(b"\x89PNG\xff\xfe")})
    await store.publish("task", "c", changes, lambda before, after: "")
    with pytest.raises(ToolError, match=r"image\.png isn't UTF-8 text: 6 bytes that start with 89 50"):
        await tools.call("read_file", path="image.png")
    await tools.call("write_file", path="a.txt", content="PNG")
    assert await tools.call("search_text", text="PNG") == "a.txt:1: PNG"


async def test_text_is_found_by_pattern_case_and_expression(tools: TaskFilesTools) -> None:
    await tools.call("write_file", path="a.py", content="def f():\n    return 1\n")
    await tools.call("write_file", path="b/c.md", content="Return nothing (1.5)\n")
    assert await tools.call("search_text", text="return") == "a.py:2:     return 1"
    assert await tools.call("search_text", text="return", ignore_case=True, pattern="*.md") == (
        "b/c.md:1: Return nothing (1.5)"
    )
    assert await tools.call("search_text", text="(1.5)") == "b/c.md:1: Return nothing (1.5)"
    assert await tools.call("search_text", text=r"^def \w+", regex=True) == "a.py:1: def f():"
    assert await tools.call("search_text", text="absent") == "No line matches."
    with pytest.raises(ToolError, match="is no regular expression"):
        await tools.call("search_text", text="(", regex=True)


async def test_an_expression_that_would_take_forever_is_fast(tools: TaskFilesTools) -> None:
    await tools.call("write_file", path="a", content="a" * 50_000 + "!")
    async with asyncio.timeout(5):
        assert await tools.call("search_text", text="(a+)+$", regex=True) == "No line matches."


async def test_many_matches_are_bounded(tools: TaskFilesTools) -> None:
    await tools.call("write_file", path="a", content="match\n" * 5000)
    text = await tools.call("search_text", text="match")
    assert text.count("\n") == 200
    assert "the rest is left out here" in text


async def test_what_exceeds_the_limit_is_refused(tools: TaskFilesTools) -> None:
    with pytest.raises(ToolError, match="Nothing was kept"):
        await tools.call("write_file", path="big", content="x" * 2**21)


async def test_files_of_other_tasks_are_not_there(tools: TaskFilesTools, store: TaskFileStore) -> None:
    await store.publish("other", "c", FileChanges({"secret": NewFile(b"x")}), lambda before, after: "")
    assert await tools.call("list_files") == "There are no files."
    with pytest.raises(ToolError, match="no file 'secret'"):
        await tools.call("read_file", path="secret")


async def test_without_files_calls_fail() -> None:
    tools = TaskFilesTools(file_tools())
    with pytest.raises(ToolError, match="A worker has them"):
        await tools.call("list_files")
