"""A task that uses no feature pays for none: its history is the same on a worker that is set up for all of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agentkit.catalog.catalog import Catalog, load_catalog
from agentkit.interfaces import LongTermMemory
from agentkit.messages import ToolCall
from agentkit.runtime.lazy_memory import LazyMemory
from agentkit.sandbox import build_sandbox
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.testing import (
    InMemoryMemory,
    ScriptedMcpServer,
    ScriptedMcpServers,
    ScriptedMcpTool,
    ScriptedModel,
)
from agentkit.tools import builtin_tools
from tests.workflows.memory_workers import memory_served
from worker import build_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from temporalio.worker import Worker

    from tests.workflows.conftest import TaskEnvironment

TOOL_FILE = '''
from agentkit.tools import tool

@tool(effect="pure")
def look_up(topic: str) -> str:
    """Look a topic up."""
    return topic
'''
OTHERS = """
name: others
model: scripted:m
tools: [look_up, python, "mcp:math/*"]
memory: {long_term: true, recall: 5}
"""
STEPS = 3


def calling() -> ScriptedModel:
    """Return a model that calls one ordinary tool in each step."""
    call = ToolCall(id="c1", name="calculator", arguments={"expression": "10**399"})
    return ScriptedModel([*[call] * STEPS, "done"])


async def history(env: TaskEnvironment, worker: Worker) -> list[tuple[int, int]]:
    """Return type and size of each event of a task; a time takes more or fewer bytes, so times don't count."""
    tool = next(each for each in builtin_tools() if each.spec.name == "calculator")
    async with worker:
        _, handle = await env.run("Calculate.", env.agent(tool))
        events = await env.history(handle)
    for event in events:
        event.ClearField("event_time")
        event.workflow_task_started_event_attributes.ClearField("history_size_bytes")
    return [(event.event_type, event.ByteSize()) for event in events]


@asynccontextmanager
async def project(app_dir: Path, env: TaskEnvironment, mcp: ScriptedMcpServers) -> AsyncIterator[Catalog]:
    """Yield the catalog of a project whose other agent uses a tool host, the sandbox, an MCP server and memory."""
    for name, text in {"tools/lookup.py": TOOL_FILE, "agents/others.yaml": OTHERS}.items():
        (app_dir / name).parent.mkdir(parents=True)
        (app_dir / name).write_text(text)
    settings = env.settings.model_copy(update={"app_dir": app_dir, "tool_host": "process"})
    sandbox = build_sandbox("auto", slots=1)
    catalog = load_catalog(settings, sandbox=sandbox, mcp_servers=mcp)
    try:
        yield catalog
    finally:
        await catalog.aclose()
        sandbox.close()


async def test_a_task_that_uses_no_feature_has_the_same_events_and_bytes_on_a_worker_set_up_for_all(
    env: TaskEnvironment, tmp_path: Path
) -> None:
    opened: list[LongTermMemory] = []

    async def open_memory() -> LongTermMemory:
        opened.append(InMemoryMemory())
        return opened[0]

    server = ScriptedMcpServer({"add": ScriptedMcpTool(lambda _arguments, _context: 5, effect="pure", description="")})
    mcp = ScriptedMcpServers({"math": server})
    plain = await history(env, env.worker(calling(), *builtin_tools()))
    async with project(tmp_path / "app", env, mcp) as catalog, memory_served(env, LazyMemory(open_memory)):
        parts = ({"scripted": calling()}, catalog.toolset, InlineOutputChecker())
        assert await history(env, build_worker(env.client, env.settings, *parts, mcp_servers=mcp)) == plain
    assert opened == []
    assert server.list_count == 0
