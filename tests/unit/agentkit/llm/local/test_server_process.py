"""The server's process, with small programs in place of llama.cpp."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from agentkit.errors import ModelUnavailable
from agentkit.llm.local.server_process import Serving, start_server

SERVES = """
import json, sys
wanted = json.loads(sys.stdin.readline())
print(json.dumps({"address": wanted["path"] + "/" + wanted["key"]}), flush=True)
sys.stdin.read()
"""
GOES_ON = SERVES + "import signal; signal.pause()"
SAYS_WHY = """print('{"error": "RuntimeError: no such file"}', flush=True)"""
DIES = "raise SystemExit(3)"
LOADS = """
import pathlib, sys
here = pathlib.Path(__file__)
here.with_name("loading").write_text("yes")
sys.stdin.read()
here.with_name("ended").write_text("yes")
"""


def serving(directory: Path, program: str) -> Serving:
    (directory / "program.py").write_text(program)
    return Serving(directory / "model.gguf", context=8_192, max_output=100, program=directory / "program.py")


async def test_a_server_is_told_its_model_and_its_key_and_ends_when_told(tmp_path: Path) -> None:
    server = await start_server(serving(tmp_path, SERVES), within=30)
    assert server.address == f"{tmp_path / 'model.gguf'}/{server.key}"
    assert server.key not in repr(server).replace(server.address, "")
    await server.stop()
    assert not server.alive
    assert server.process.returncode == 0


async def test_two_servers_have_different_keys(tmp_path: Path) -> None:
    first, second = [await start_server(serving(tmp_path, SERVES), within=30) for _ in range(2)]
    await asyncio.gather(first.stop(), second.stop())
    assert first.key != second.key


async def test_a_server_that_goes_on_is_killed(tmp_path: Path) -> None:
    server = await start_server(serving(tmp_path, GOES_ON), within=30)
    await server.stop(within=0.1)
    assert server.process.returncode == -9


@pytest.mark.parametrize(
    ("program", "told"),
    [
        pytest.param(SAYS_WHY, "could not start: RuntimeError: no such file", id="says why"),
        pytest.param(DIES, "ended as it started, with 3", id="dies"),
    ],
)
async def test_a_server_that_does_not_start_is_worth_another_attempt(tmp_path: Path, program: str, told: str) -> None:
    with pytest.raises(ModelUnavailable, match=told):
        await start_server(serving(tmp_path, program), within=30)


async def test_a_server_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"did not start within 0\.5 s"):
        await start_server(serving(tmp_path, LOADS), within=0.5)


async def test_a_cancelled_start_leaves_no_process_behind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "loading")
    starting = asyncio.create_task(start_server(serving(tmp_path, LOADS), within=30))
    async with asyncio.timeout(30):
        await asyncio.to_thread((tmp_path / "loading").read_text)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert (tmp_path / "ended").exists()
