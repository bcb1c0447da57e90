"""The server's process, with small programs in place of llama.cpp."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from agentkit.errors import ModelUnavailable
from agentkit.llm.local.server_process import ServerOptions, start_server

SERVES = """
import json, sys
arguments = json.loads(sys.stdin.readline())
print(json.dumps({"address": arguments["path"] + "/" + arguments["key"]}), flush=True)
sys.stdin.read()
"""
SHOWS_ENVIRONMENT = """
import json, os, sys
print(json.dumps({"address": " ".join(os.environ)}), flush=True)
sys.stdin.read()
"""
NEVER_ENDS = SERVES + "import signal; signal.pause()"
REPORTS_ERROR = """print('{"error": "RuntimeError: no such file"}', flush=True)"""
EXITS = "raise SystemExit(3)"
LOADS_FOREVER = """
import pathlib, sys
directory = pathlib.Path(__file__).parent
(directory / "loading").write_text("yes")
sys.stdin.read()
(directory / "ended").write_text("yes")
"""


def options(directory: Path, program: str) -> ServerOptions:
    file = directory / "program.py"
    file.write_text(program)
    return ServerOptions(directory / "model.gguf", context=8_192, max_output=100, program=file)


async def test_a_server_receives_its_model_and_its_key_and_ends_when_it_is_stopped(tmp_path: Path) -> None:
    server = await start_server(options(tmp_path, SERVES), timeout_s=30)
    assert server.address == f"{tmp_path / 'model.gguf'}/{server.key}"
    assert server.key not in repr(server).replace(server.address, "")
    await server.stop()
    assert not server.is_running
    assert server.process.returncode == 0


async def test_a_server_gets_what_sets_up_processors_and_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {
        "DYLD_X",
        "HIP_X",
        "LLAMA_X",
        "NVIDIA_X",
        "OMP_X",
        "ONEAPI_X",
        "OPENBLAS_X",
        "ROCM_X",
        "SYCL_X",
        "VK_X",
        "ZE_X",
    }
    for name in (*wanted, "LLAMA_CLOUD_API_KEY", "NVIDIA_API_KEY"):
        monkeypatch.setenv(name, "1")
    server = await start_server(options(tmp_path, SHOWS_ENVIRONMENT), timeout_s=30)
    await server.stop()
    names = set(server.address.split())
    assert wanted <= names
    assert not {"LLAMA_CLOUD_API_KEY", "NVIDIA_API_KEY"} & names


async def test_two_servers_have_different_keys(tmp_path: Path) -> None:
    first, second = [await start_server(options(tmp_path, SERVES), timeout_s=30) for _ in range(2)]
    await asyncio.gather(first.stop(), second.stop())
    assert first.key != second.key


async def test_a_server_that_does_not_end_is_killed(tmp_path: Path) -> None:
    server = await start_server(options(tmp_path, NEVER_ENDS), timeout_s=30)
    await server.stop(timeout_s=0.1)
    assert server.process.returncode == -9


@pytest.mark.parametrize(
    ("program", "message"),
    [
        pytest.param(REPORTS_ERROR, "could not start: RuntimeError: no such file", id="reports an error"),
        pytest.param(EXITS, "ended as it started, with 3", id="exits"),
    ],
)
async def test_a_failed_start_can_be_retried(tmp_path: Path, program: str, message: str) -> None:
    with pytest.raises(ModelUnavailable, match=message):
        await start_server(options(tmp_path, program), timeout_s=30)


async def test_a_start_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"did not start within 0\.5 s"):
        await start_server(options(tmp_path, LOADS_FOREVER), timeout_s=0.5)


async def test_a_cancelled_start_leaves_no_process_behind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "loading")
    starting = asyncio.create_task(start_server(options(tmp_path, LOADS_FOREVER), timeout_s=30))
    async with asyncio.timeout(30):
        await asyncio.to_thread((tmp_path / "loading").read_text)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert (tmp_path / "ended").exists()


async def test_the_program_that_is_started_by_default_reports_what_it_can_not_load(tmp_path: Path) -> None:
    missing_model = ServerOptions(tmp_path / "model.gguf", context=512, max_output=10)
    with pytest.raises(ModelUnavailable, match=r"could not start: (ModuleNotFoundError|RuntimeError): "):
        await start_server(missing_model, timeout_s=60)
