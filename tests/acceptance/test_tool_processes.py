"""A tool that blocks its process holds up no other task, and doesn't outlive its worker."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import Stack
from tests.process_states import still_running

pytestmark = pytest.mark.acceptance

BLOCK_TOOL = '''
"""A tool that blocks its event loop, and has a child process."""

import os
import subprocess
from pathlib import Path

from agentkit.tools import ToolContext, tool


@tool(effect="pure", timeout=60)
async def block(directory: str, context: ToolContext) -> str:
    """Block until the file "open" is there.

    Args:
        directory: The directory of that file.
    """
    folder = Path(directory)
    child = subprocess.Popen(["sleep", "60"])
    (folder / f"attempt-{context.attempt}").write_text(f"{os.getpid()} {os.getppid()} {child.pid}")
    while not (folder / "open").exists():
        pass
    child.kill()
    child.wait()
    return "the way is free"
'''


@pytest.fixture
def app_files() -> dict[str, str]:
    return {
        "tools/block.py": BLOCK_TOOL,
        "agents/blocker.yaml": "model: demo:demo\ntools: [block, gate, calculator]",
    }


async def test_a_worker_that_is_killed_leaves_no_process_of_a_blocking_tool(stack: Stack, tmp_path: Path) -> None:
    task_id = await stack.submit(f'call block {{"directory": "{tmp_path}"}}\nsay through', agent="blocker")
    await stack.wait_for_activity(task_id, "tool.block")
    pids = read_pids(tmp_path / "attempt-1")

    other = await stack.wait_for_end(await stack.submit('call calculator {"expression": "6*7"}', agent="blocker"))
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "open").touch()
    gate = f'call gate {{"directory": "{tmp_path / "gate"}"}}'
    hosted = await stack.wait_for_end(await stack.submit(gate, agent="blocker"))
    assert (other["status"], hosted["status"]) == ("completed", "completed"), "while the other call blocks"
    assert still_running(pids) == pids

    stack.kill("worker")
    deadline = time.monotonic() + 60
    while still_running(pids):
        assert time.monotonic() < deadline, still_running(pids)

    (tmp_path / "open").touch()
    stack.start_worker("second")
    task = await stack.wait_for_end(task_id)
    assert (task["status"], task["output"]) == ("completed", "through")
    transcript = await stack.transcript(task_id)
    assert "the way is free" in str(transcript)


def read_pids(path: Path) -> list[int]:
    deadline = time.monotonic() + 60
    while not (path.exists() and len(path.read_text().split()) == 3):
        assert time.monotonic() < deadline
    return [int(pid) for pid in path.read_text().split()]
