"""The server behind a local model: started once, started anew, and gone when its worker is."""

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
    telling = asyncio.create_task(model.respond(request))
    print("answered", flush=True)
    await stopping.wait()
    telling.cancel()
    await model.aclose()

asyncio.run(work())
"""


@pytest.fixture
def started(caplog: pytest.LogCaptureFixture) -> list[int]:
    """The processes of the servers, as they come to be started."""
    caplog.set_level(logging.INFO, "agentkit.llm.local.model")
    pids: list[int] = []

    def note(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and "as process" in record.msg:
            pids.append(int(str(record.args[1])))
        return True

    caplog.handler.addFilter(note)
    return pids


async def test_two_that_come_first_share_one_server(started: list[int]) -> None:
    async with aclosing(LocalModel()) as model:
        first, second = await asyncio.gather(model.respond(HELLO), model.respond(HELLO))
    assert first.message == second.message
    assert len(started) == 1


async def test_a_server_that_was_killed_is_started_anew(started: list[int]) -> None:
    async with aclosing(LocalModel()) as model:
        before = await model.respond(HELLO)
        os.kill(started[0], signal.SIGKILL)
        async with asyncio.timeout(30):
            while not started[1:]:
                with contextlib.suppress(ModelUnavailable):  # what is in flight is lost, and asked again
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
        assert worker.stdout.readline() == "answered\n"
        worker.send_signal(name)
        # The server holds the worker's standard error, too: this ends when both are gone.
        _, errors = worker.communicate(timeout=30)
    assert (worker.returncode, errors) == (code, "")
