"""No process of a tool outlives its worker, and the loss of the fork server is recovered from."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentkit.errors import ToolInterrupted
from tests.process_states import still_running, wait_until_ended

if TYPE_CHECKING:
    from tests.unit.agentkit.tools.host.conftest import Project

TOOLS = """
    import asyncio, os, signal, subprocess, time
    from pathlib import Path

    def report(directory: str) -> None:
        child = subprocess.Popen(["sleep", "60"])
        Path(directory, f"{os.getpid()} {os.getppid()} {child.pid}").touch()

    @tool(effect="pure")
    def block_thread(directory: str) -> None:
        report(directory)
        time.sleep(60)

    @tool(effect="pure")
    async def block_loop(directory: str) -> None:
        report(directory)
        while True:
            pass

    @tool(effect="pure")
    async def wait(directory: str) -> None:
        report(directory)
        await asyncio.sleep(60)

    @tool(effect="pure")
    def kill_fork_server() -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

    @tool(effect="pure")
    def pid() -> int:
        return os.getpid()
"""

WORKER = """
import asyncio, sys
from pathlib import Path
from agentkit.runtime.calls.tool_invocation import invoke_tool, tool_context
from agentkit.tools.host.host_pool import HostPool
from agentkit.tools.host.hosted_tool import HostedTool
from agentkit.tools.host.project_description import describe_project

async def main(app, directory):
    described = describe_project(Path(app))
    pool = HostPool(Path(app), described)
    tools = {tool.spec.name: tool.spec for tool in described.files[0].tools}
    context = tool_context("task", "call", 1)
    calls = [HostedTool(tools[name], pool) for name in ("block_thread", "block_loop", "wait")]
    await asyncio.gather(*(invoke_tool(tool, {"directory": directory}, context) for tool in calls))

asyncio.run(main(*sys.argv[1:]))
"""


def start_worker(project: Project, directory: Path) -> tuple[subprocess.Popen[bytes], list[list[int]]]:
    """Start a process that calls three tools which don't end; return it, and each host with its parent and child."""
    project.write("tools/a.py", TOOLS)
    directory.mkdir()
    root = Path(__file__).parents[5]
    command = [sys.executable, "-c", WORKER, str(project.directory), str(directory)]
    worker = subprocess.Popen(command, cwd=root, start_new_session=True)
    deadline = time.monotonic() + 90
    while len(names := [path.name for path in directory.iterdir()]) < 3:
        assert time.monotonic() < deadline
        assert worker.poll() is None
    return worker, [[int(pid) for pid in name.split()] for name in names]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV], ids=lambda number: number.name)
def test_no_process_of_a_tool_outlives_its_worker(project: Project, tmp_path: Path, number: signal.Signals) -> None:
    worker, hosts = start_worker(project, tmp_path / "running")
    worker.send_signal(number)
    worker.wait(60)
    wait_until_ended([pid for host in hosts for pid in host])


def test_no_process_outlives_a_worker_whose_process_group_is_killed(project: Project, tmp_path: Path) -> None:
    worker, hosts = start_worker(project, tmp_path / "running")
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(60)
    wait_until_ended([pid for host in hosts for pid in host])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a host that blocks its event loop may go on")
def test_no_host_outlives_a_worker_and_a_fork_server_that_are_killed_together(project: Project, tmp_path: Path) -> None:
    worker, hosts = start_worker(project, tmp_path / "running")
    os.kill(worker.pid, signal.SIGSTOP)
    os.kill(hosts[0][1], signal.SIGKILL)
    worker.kill()
    worker.wait(60)
    wait_until_ended([host for host, _, _ in hosts])
    for _, _, child in hosts:  # what they have started is not ended in this case
        if still_running([child]):
            os.kill(child, signal.SIGKILL)


def test_signals_to_all_processes_of_a_service_do_not_end_running_calls(project: Project, tmp_path: Path) -> None:
    worker, hosts = start_worker(project, tmp_path / "running")
    pids = [pid for host, server, _ in hosts for pid in (host, server)]
    for pid in pids:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
    assert still_running(pids) == pids
    worker.kill()
    worker.wait(60)
    wait_until_ended(pids)


async def test_after_the_loss_of_the_fork_server_calls_fail_and_the_next_ones_work(
    project: Project, tmp_path: Path
) -> None:
    project.write("tools/a.py", TOOLS)
    (tmp_path / "running").mkdir()
    other = asyncio.create_task(project.call("wait", directory=str(tmp_path / "running")))
    await project.pool.warm_up()
    with pytest.raises(ToolInterrupted, match="kill_fork_server failed: its process was ended with all tool processes"):
        await project.call("kill_fork_server")
    with pytest.raises(ToolInterrupted, match="wait failed"):
        await other
    assert isinstance(await project.call("pid"), int)
