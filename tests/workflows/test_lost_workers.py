"""Workers that are lost in mid-call: ended by a tool that runs in them, or killed while an MCP server works."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentkit.catalog.catalog import load_catalog
from agentkit.messages import user_message
from agentkit.specs import McpSelection, PolicyRule
from agentkit.tools.mcp_proxy_tools import mcp_proxy_tools
from tests.polling import eventually
from tests.workflows.answering import answer, pending_requests
from workflows.agent_task import AgentTask
from workflows.task_types import TaskInput

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

TOOLS = """
import os
from agentkit.tools import tool

@tool(effect="pure", fast=True)
def end_worker() -> str:
    os._exit(9)

@tool(effect="pure", fast=True)
def half(number: int) -> float:
    return number / 2
"""

MAIL_SERVER = """
import os, sys, time
from mcp.server.mcpserver import MCPServer

server = MCPServer("mail")

@server.tool()
def send(to: str) -> str:
    with open(sys.argv[1], "a") as sent:
        print(os.getpid(), to, file=sent)
    time.sleep(600)
    return "never"

server.run("stdio")
"""


@dataclass
class RestartedWorker:
    """A worker process that is started again whenever it has ended."""

    environment: dict[str, str]
    log: Path
    ends: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def ensure_running(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                return
            self.ends += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker"], stdout=log, stderr=log, env=self.environment
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)


@pytest.fixture
def worker(temporal_address: str, env: TaskEnvironment, tmp_path: Path) -> Iterator[RestartedWorker]:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "a.py").write_text(TOOLS)
    environment = {
        **os.environ,  # noqa: TID251  # children need PATH and HOME
        "OPSPAWN_APP_DIR": str(tmp_path),
        "OPSPAWN_DATA_DIR": str(env.settings.data_dir),
        "OPSPAWN_TASK_QUEUE": env.settings.task_queue,
        "OPSPAWN_RELAY_PORT": "0",
        "OPSPAWN_TOOL_HOST": "inline",
        "TEMPORAL_ADDRESS": temporal_address,
    }
    worker = RestartedWorker(environment, tmp_path / "worker.log")
    yield worker
    worker.stop()


async def test_a_fast_tool_that_ends_its_worker_each_time_is_an_error_that_the_model_reads(
    env: TaskEnvironment, worker: RestartedWorker, tmp_path: Path
) -> None:
    catalog = load_catalog(env.settings.model_copy(update={"app_dir": tmp_path}))
    tools = [catalog.toolset.get(name).spec for name in ("end_worker", "half")]
    text = 'call half {"number": 3}\ncall end_worker {}\nsay survived'
    task = TaskInput(
        agent=env.agent().model_copy(update={"models": ("demo:demo",), "tools": tuple(tools)}),
        message=user_message(text),
    )
    handle = await env.client.start_workflow(
        AgentTask.run,
        task,
        id=f"task-{uuid.uuid4().hex}",
        task_queue=env.settings.task_queue,
        task_timeout=timedelta(seconds=2),  # after this the worker that has taken a workflow task counts as lost
    )
    result = asyncio.create_task(handle.result())
    async with asyncio.timeout(150):
        while not result.done():
            worker.ensure_running()
            await asyncio.wait([result], timeout=0.1)
    assert result.result().output == "survived", worker.log.read_text()
    half, ended = await env.tool_results(handle)
    assert (half.content, half.is_error) == ("1.5", False)
    assert ended.is_error
    assert ended.content.startswith("end_worker gave no result: its worker was lost or too slow, several times.")
    assert worker.ends == 4, "twice in a workflow task, the first one unnoticed, and twice as an activity"


async def test_a_call_of_an_mcp_server_is_not_made_again_when_its_worker_is_killed_with_the_server(
    env: TaskEnvironment, worker: RestartedWorker, tmp_path: Path
) -> None:
    sent, program = tmp_path / "sent", tmp_path / "mail_server.py"
    program.write_text(MAIL_SERVER)
    command = {"command": sys.executable, "args": [str(program), str(sent)]}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"mail": command}}))
    agent = env.agent(
        *mcp_proxy_tools(),
        models=("demo:demo",),
        mcp=McpSelection(tools=("mail/*",)),
        policy=(PolicyRule(tool="*", then="allow"),),
    )
    worker.ensure_running()
    text = 'call mcp_search {"query": "send"}\ncall mail__send {"to": "ada"}\nsay done'
    handle = await env.start(text, agent)
    await eventually(lambda: sent.exists() and sent.read_text().endswith("\n"))
    server_pid, recipient = sent.read_text().split()
    worker.stop()
    await eventually(lambda: not Path(f"/proc/{server_pid}").exists(), 10)

    worker.ensure_running()
    (request,) = await pending_requests(handle)
    assert (request.kind, request.tool, recipient) == ("unknown_outcome", "mail__send", "ada")
    await answer(handle, request, "happened", result="Ada has it.")
    assert (await env.result(handle)).output == "done"
    found, result = await env.tool_results(handle)
    assert (found.is_error, '"mail"' in found.content, result.content) == (False, True, "Ada has it.")
    assert sent.read_text().count("\n") == 1
