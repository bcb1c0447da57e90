"""A project's tools in a catalog: called in processes of their own, or inline, and loaded again when files change."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from activities.settings import Settings
from agentkit.catalog.catalog import Catalog, load_catalog
from agentkit.errors import ToolNotFound, ToolUnavailable
from agentkit.interfaces import ToolValue
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.runtime.calls.tool_invocation import invoke_tool, tool_context
from tests.process_states import children_of

TOOL = """
from agentkit.tools import tool
{imports}

@tool(effect="pure")
def {name}() -> object:
    return {value}
"""


class App:
    """An app directory with a catalog that watches it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.catalog: Catalog

    def load(self, **settings: object) -> None:
        self.catalog = load_catalog(Settings.load(self.directory, **settings))

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_tool(self, name: str = "answer", value: str = "1", imports: str = "", file: str = "a") -> Path:
        return self.write(f"tools/{file}.py", TOOL.format(name=name, value=value, imports=imports))

    async def call(self, name: str = "answer") -> ToolValue:
        return await invoke_tool(self.catalog.toolset.get(name), {}, tool_context("task", "call", 1))

    async def returns(self, value: JsonValue, name: str = "answer") -> bool:
        try:
            return await self.call(name) == value
        except (ToolNotFound, ToolUnavailable):
            return False

    async def reloaded(self) -> None:
        """Wait until the tools are loaded again."""
        revision = self.catalog.toolset.revision

        async def is_newer() -> bool:
            return self.catalog.toolset.revision > revision

        await eventually(is_newer)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    app = App(tmp_path / "app")
    before = sys.path[:]
    yield app
    await app.catalog.aclose()
    sys.path[:] = before


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110  # a thread loads files
            await asyncio.sleep(0.05)


async def live(app: App, value: JsonValue, name: str = "answer") -> None:
    """Wait until a tool returns the value."""
    await eventually(lambda: app.returns(value, name))


async def logged(caplog: pytest.LogCaptureFixture, count: int) -> None:
    async def has_messages() -> bool:
        return len(caplog.messages) >= count

    await eventually(has_messages)


async def test_tools_run_in_another_process_and_inline_in_this_one(app: App) -> None:
    app.write_tool(value="os.getpid()", imports="import os")
    app.load()
    assert await app.call() != os.getpid()
    await app.catalog.aclose()
    app.load(tool_host="inline")
    assert await app.call() == os.getpid()


async def test_without_tools_of_its_own_a_project_has_no_process(app: App) -> None:
    app.write("agents/helper.yaml", "tools: [calculator]")
    app.load()
    await app.catalog.toolset.warm_up()
    calculator = app.catalog.toolset.get("calculator")
    assert await invoke_tool(calculator, {"expression": "6*7"}, tool_context("task", "call", 1)) == "42"
    assert [command for command in children_of(os.getpid()).values() if "child_entry" in command] == []


async def test_inline_the_project_is_importable_and_replaces_no_module_of_ours(app: App) -> None:
    app.write("mylib_inline.py", "VALUE = 7")
    app.write("worker.py", "raise RuntimeError")
    app.write_tool(value="(mylib_inline.VALUE, hasattr(worker, 'build_worker'))", imports="import mylib_inline, worker")
    app.load(tool_host="inline")
    assert app.catalog.problems == []
    assert await app.call() == [7, True]


async def test_the_settings_come_from_the_environment(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.write_tool(value="os.getpid()", imports="import os")
    monkeypatch.setenv("OPSPAWN_TOOL_HOST", "inline")
    app.load()
    assert await app.call() == os.getpid()
    assert not app.catalog.settings.reload


async def test_a_changed_tool_is_live_within_seconds(app: App) -> None:
    app.write_tool(value="1")
    app.load()
    app.catalog.watch()
    assert await app.call() == 1
    app.write_tool(value="22")
    await live(app, 22)


async def test_a_new_tool_and_the_agent_that_names_it_are_live_within_seconds(app: App) -> None:
    app.write_tool()
    app.load()
    app.catalog.watch()
    app.write_tool(name="second", value="2", file="b")
    app.write("agents/helper.yaml", "tools: [second]")
    await live(app, 2, "second")
    assert [tool.name for tool in app.catalog.spec("helper").tools] == ["second"]
    (app.directory / "tools/b.py").unlink()
    await app.reloaded()
    with pytest.raises(ToolNotFound):
        app.catalog.toolset.get("second")
    assert any("there is no tool 'second'" in problem for problem in app.catalog.problems)


@pytest.mark.parametrize("imports", ["import lib.prices", "from ..lib import prices", "import shop"])
async def test_a_changed_module_that_a_tool_imports_is_live_within_seconds(app: App, imports: str) -> None:
    app.write("lib/prices.py", "VALUE = 1")
    app.write("shop.py", "from lib import prices")
    value = {"import lib.prices": "lib.prices.VALUE", "import shop": "shop.prices.VALUE"}.get(imports, "prices.VALUE")
    app.write_tool(value=value, imports=imports)
    app.load()
    app.catalog.watch()
    assert await app.call() == 1
    app.write("lib/prices.py", "VALUE = 22")
    await live(app, 22)


async def test_a_changed_module_that_a_call_imports_is_live_within_seconds(app: App) -> None:
    app.write("prices.py", "VALUE = 1")
    app.write_tool(value="__import__('prices').VALUE")
    app.load()
    app.catalog.watch()
    assert await app.call() == 1
    app.write("prices.py", "VALUE = 22")
    await live(app, 22)


async def test_a_running_call_finishes_in_the_old_version(app: App, tmp_path: Path) -> None:
    waiting = "(lambda: [open({!r}).read(), 'old'])()".format(str(tmp_path / "fifo"))
    os.mkfifo(tmp_path / "fifo")
    app.write_tool(value=waiting)
    app.load()
    app.catalog.watch()
    running = asyncio.create_task(app.call())
    writer = await asyncio.to_thread((tmp_path / "fifo").open, "w")
    app.write_tool(value="'new'")
    await app.reloaded()
    assert await app.call() == "new"
    writer.write("finished")
    writer.close()
    assert await running == ["finished", "old"]


async def test_a_broken_file_is_reported_once_and_its_last_good_version_stays(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    path = app.write_tool(value="1")
    app.write_tool(name="other", value="2", file="b")
    app.load()
    log = logging.getLogger("opspawn.worker")
    with caplog.at_level(logging.INFO, log.name):
        app.catalog.watch(log)
        assert await app.call() == 1
        path.write_text("def broken(:\n")
        await logged(caplog, 2)
        assert caplog.messages[0].startswith(f"{path}:1: SyntaxError: ")
        assert caplog.messages[1] == "Until that is corrected, the tools are used as they were before."
        assert (await app.call(), await app.call("other")) == (1, 2)
        assert app.catalog.problems == caplog.messages[:1]
        path.write_text("def still_broken(:\n")
        await logged(caplog, 4)
        app.write_tool(value="22")
        await live(app, 22)
        assert caplog.messages[4:] == ["Loaded again after a change: a.py"]
    assert app.catalog.problems == []


async def test_a_broken_new_file_does_not_hold_up_others(app: App, caplog: pytest.LogCaptureFixture) -> None:
    app.write_tool(value="1")
    app.load()
    app.catalog.watch()
    app.write("tools/new.py", "1 / 0")
    app.write_tool(value="22")
    await app.reloaded()
    assert await app.call() == 22
    assert [problem.partition(": ")[2] for problem in app.catalog.problems] == ["ZeroDivisionError: division by zero."]


async def test_a_file_is_loaded_once_the_module_that_it_lacks_is_added(app: App) -> None:
    app.write_tool(value="prices.VALUE", imports="import prices")
    app.load()
    app.catalog.watch()
    assert "No module named 'prices'" in app.catalog.problems[0]
    with pytest.raises(ToolNotFound, match=r"Not loaded: .*No module named 'prices'"):
        app.catalog.toolset.get("answer")
    app.write("prices.py", "VALUE = 22")
    await live(app, 22)


async def test_an_agent_file_that_breaks_is_reported(app: App, caplog: pytest.LogCaptureFixture) -> None:
    path = app.write("agents/helper.yaml", "description: Helps.")
    app.load()
    log = logging.getLogger("opspawn.worker")
    with caplog.at_level(logging.INFO, log.name):
        app.catalog.watch(log)
        path.write_text("tols: []")
        await logged(caplog, 1)
    (message,) = caplog.messages
    assert message.startswith(f"{path}:1: tols: unknown key. Did you mean 'tools'?")


async def test_a_change_of_mcp_json_is_reported_with_the_agents_that_it_breaks_and_loads_no_tools(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    path = app.write("mcp.json", '{"mcpServers": {"time": {"command": "mcp-server-time"}}}')
    agent = app.write("agents/helper.yaml", 'tools: ["mcp:time/*"]')
    app.load()
    revision, log = app.catalog.toolset.revision, logging.getLogger("opspawn.worker")
    with caplog.at_level(logging.INFO, log.name):
        app.catalog.watch(log)
        path.write_text('{"mcpServers": {"clock": {"command": "mcp-server-time", "arg": []}}}')
        await logged(caplog, 2)
        assert caplog.messages[0].startswith(f"{path}:1: mcpServers.clock.arg: unknown key, which is not read.")
        assert caplog.messages[1].startswith(f"{agent}:1: tools.0: there is no MCP server 'time' in mcp.json.")
        path.write_text('{"mcpServers": {"time": {"command": "mcp-server-time", "args": []}}}')
        await logged(caplog, 3)
    assert caplog.messages[2:] == ["Loaded again after a change: mcp.json"]
    assert app.catalog.toolset.revision == revision


async def test_a_listener_gets_the_servers_of_a_changed_mcp_json(app: App) -> None:
    path = app.write("mcp.json", '{"mcpServers": {}}')
    app.load()
    changes: list[Mapping[str, McpServerSettings]] = []
    app.catalog.on_mcp_servers_changed(changes.append)
    path.write_text('{"mcpServers": {"clock": {"command": "mcp-server-time"}}}')

    async def has_change() -> bool:
        return bool(changes)

    await eventually(has_change)
    assert [list(servers) for servers in changes] == [["clock"]]


async def test_without_watching_nothing_is_loaded_again(app: App) -> None:
    app.write_tool(value="1")
    app.load()
    assert await app.call() == 1
    app.write_tool(value="22")
    app.write_tool(name="second", file="b")
    assert await app.call() == 1
    with pytest.raises(ToolNotFound):
        app.catalog.toolset.get("second")


EXTERNAL = "description: Sends an email.\ntask_queue: {queue}\n"
"""A tool that another program's worker serves."""


@pytest.mark.parametrize("tool_host", ["process", "inline"])
async def test_tools_of_other_programs_are_listed_beside_those_in_python(app: App, tool_host: str) -> None:
    app.write_tool()
    app.write("tools/send_email.yaml", EXTERNAL.format(queue="email"))
    app.write("agents/a.yaml", "model: demo:demo\ntools: [answer, send_email]\n")
    app.load(tool_host=tool_host)
    queues = {tool.name: tool.task_queue for tool in app.catalog.spec("a").tools}
    assert (queues, app.catalog.problems) == ({"answer": None, "send_email": "email"}, [])


async def test_a_changed_tool_of_another_program_is_live_and_a_broken_one_stays_as_it_was(app: App) -> None:
    app.write_tool()
    app.write("tools/send_email.yaml", EXTERNAL.format(queue="email"))
    app.write("agents/a.yaml", "model: demo:demo\ntools: [send_email]\n")
    app.load()
    app.catalog.watch()

    async def queue_is(name: str) -> bool:
        return app.catalog.spec("a").tools[0].task_queue == name

    app.write("tools/send_email.yaml", EXTERNAL.format(queue="mail"))
    await eventually(lambda: queue_is("mail"))
    broken = app.write("tools/send_email.yaml", "description: Sends an email.\n")

    async def is_reported() -> bool:
        return app.catalog.problems == [f"{broken}: task_queue: required, but missing"]

    await eventually(is_reported)
    assert await queue_is("mail")
    broken.unlink()
    app.write("tools/post.yaml", EXTERNAL.format(queue="post"))

    async def is_replaced() -> bool:
        names = [spec.name for spec in app.catalog.toolset.specs()]
        return "post" in names and "send_email" not in names

    await eventually(is_replaced)


async def test_a_name_that_two_kinds_of_files_give_is_a_problem_that_names_both(app: App) -> None:
    python = app.write_tool(name="send_email")
    path = app.write("tools/send_email.yaml", EXTERNAL.format(queue="email"))
    app.load()
    (problem,) = app.catalog.problems
    assert str(path) in problem
    assert str(python) in problem
