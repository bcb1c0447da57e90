"""No process of a server is left behind, however the server or its client ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from agentkit.interfaces import NoSecrets
from agentkit.mcp.server_builder import build_mcp_servers
from agentkit.mcp.stdio import stdio_guard_program
from tests.integration.mcp.conftest import StartServers
from tests.mcp_stdio_settings import call_context, raw_server
from tests.polling import eventually
from tests.process_states import children_of, still_running, wait_until_ended

CLIENT = """
import asyncio, sys
from pathlib import Path
from agentkit.interfaces import NoSecrets
from agentkit.mcp.server_builder import build_mcp_servers
from tests.mcp_stdio_settings import call_context, raw_server

async def main() -> None:
    servers = {"raw": raw_server(*sys.argv[2:])}
    directory = Path(sys.argv[1])
    async with build_mcp_servers(
        servers, app_dir=directory, log_dir=directory, secrets=NoSecrets(), environment={"PATH": "/usr/bin:/bin"}
    ) as pool:
        print(await pool.tool("raw", "leave_processes").call({}, call_context()), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the process group is ended")
@pytest.mark.parametrize("modes", [(), ("hang_at_close",)], ids=["ends by itself", "ignores SIGTERM"])
async def test_kill_9_of_a_worker_leaves_no_process_behind(tmp_path: Path, modes: tuple[str, ...]) -> None:
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, str(tmp_path), *modes, stdout=PIPE, cwd=Path(__file__).parents[3]
    )
    try:
        assert client.stdout is not None
        async with asyncio.timeout(60):
            left = json.loads(await client.stdout.readline())
        (guard,) = children_of(client.pid)
        assert still_running([guard, *left]) == [guard, *left]
    finally:
        client.kill()
        await client.wait()
    await eventually(lambda: not still_running([guard, *left]), 30)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the process group is ended")
async def test_the_end_of_the_servers_ends_descendants_that_left_the_session(tmp_path: Path) -> None:
    async with build_mcp_servers(
        {"raw": raw_server()}, app_dir=tmp_path, log_dir=tmp_path, secrets=NoSecrets(), environment={}
    ) as servers:
        left = json.loads(str(await servers.tool("raw", "leave_processes").call({}, call_context())))
        assert still_running(left) == left
    wait_until_ended(left)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the process group is ended")
async def test_a_server_that_dies_takes_its_descendants_along(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server())
    left = json.loads(str(await servers.tool("raw", "leave_processes").call({}, call_context())))
    await asyncio.gather(servers.tool("raw", "crash").call({}, call_context()), return_exceptions=True)
    await eventually(lambda: not still_running(left), 30)


async def guard(*command: str) -> tuple[asyncio.subprocess.Process, bytes]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", stdio_guard_program.__file__, *command, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert process.stderr is not None
    return process, await process.stderr.read() if command[0] != "/bin/cat" else b""


@pytest.mark.parametrize(
    ("command", "code", "written"),
    [
        (("/bin/sh", "-c", "exit 7"), 7, b""),
        (("/bin/sh", "-c", "kill -9 $$"), 128 + signal.SIGKILL, b""),
        (("/no/such/program",), 127, b"/no/such/program: No such file or directory\n"),
        (("/etc/passwd",), 126, b"/etc/passwd: Permission denied\n"),
    ],
    ids=["exit code", "signal", "not found", "not executable"],
)
async def test_the_guard_exits_as_its_program_does(command: tuple[str, ...], code: int, written: bytes) -> None:
    process, errors = await guard(*command)
    assert (await process.wait(), errors) == (code, written)


async def test_a_program_that_ends_with_its_input_is_not_killed() -> None:
    process, _ = await guard("/bin/cat")
    async with asyncio.timeout(30):
        assert (await process.communicate(b"hello"))[0] == b"hello"
    assert process.returncode == 0


async def test_sigterm_ends_the_program() -> None:
    process, _ = await guard("/bin/cat")
    (program,) = await started(process.pid)
    process.terminate()
    async with asyncio.timeout(30):
        assert await process.wait() == 128 + signal.SIGTERM
    wait_until_ended([program])


async def started(parent: int) -> list[int]:
    await eventually(lambda: bool(children_of(parent)), 30)
    return list(children_of(parent))
