"""The server of a local model: started once, restarted when it has ended, and ended with its worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.llm import LocalModel
from agentkit.messages import user_message
from agentkit.specs import ModelSettings

pytestmark = pytest.mark.local

HELLO = ModelRequest(
    model="local:smollm2", system="", messages=(user_message("Hello"),), settings=ModelSettings(max_output_tokens=8)
)
WORKER = """
import asyncio, signal
from agentkit.interfaces import ModelRequest
from agentkit.llm import LocalModel
from agentkit.messages import user_message

async def work():
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    model = LocalModel()
    request = ModelRequest(model="local:smollm2", system="", messages=(user_message("Hello"),))
    await model.respond(request)
    responding = asyncio.create_task(model.respond(request))
    print("responded", flush=True)
    await stopping.wait()
    responding.cancel()
    await model.aclose()

asyncio.run(work())
"""


@pytest.fixture
def started_pids(caplog: pytest.LogCaptureFixture) -> list[int]:
    """Return the ids of the servers' processes, to which each start adds one."""
    caplog.set_level(logging.INFO, "agentkit.llm.local.model")
    pids: list[int] = []

    def collect_pid(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and "as process" in record.msg:
            pids.append(int(str(record.args[1])))
        return True

    caplog.handler.addFilter(collect_pid)
    return pids


async def test_two_parallel_first_requests_share_one_server(started_pids: list[int]) -> None:
    async with aclosing(LocalModel()) as model:
        first, second = await asyncio.gather(model.respond(HELLO), model.respond(HELLO))
    assert first.message == second.message
    assert len(started_pids) == 1


async def test_a_server_that_was_killed_is_restarted(started_pids: list[int]) -> None:
    async with aclosing(LocalModel()) as model:
        before = await model.respond(HELLO)
        os.kill(started_pids[0], signal.SIGKILL)
        async with asyncio.timeout(30):
            while not started_pids[1:]:
                with contextlib.suppress(ModelUnavailable):  # requests in flight are lost
                    after = await model.respond(HELLO)
    assert before.message == after.message


@pytest.mark.parametrize(("name", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)], ids=["stopped", "killed"])
def test_no_server_outlives_its_worker(name: signal.Signals, code: int, tmp_path: Path) -> None:
    program = tmp_path / "worker.py"
    program.write_text(WORKER)
    root = Path(__file__).parents[2]
    worker = subprocess.Popen(
        [sys.executable, str(program)],
        env={"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "responded\n"
        worker.send_signal(name)
        # The server has the worker's standard error open, too: this returns when both have ended.
        _, errors = worker.communicate(timeout=30)
    assert (worker.returncode, errors) == (code, "")
