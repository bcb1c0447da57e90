"""MCP servers over stdio that misbehave: each failure stays with its server, and names it, the phase and the cause."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from agentkit.errors import McpServerUnavailable, ToolInterrupted, ToolNotStarted
from agentkit.mcp.stdio import stdio_sessions
from agentkit.mcp_config.mcp_settings import McpOptions, McpServerSettings
from tests.integration.mcp.conftest import StartServers
from tests.mcp_stdio_settings import call_context, raw_server
from tests.polling import eventually
from tests.process_states import still_running, wait_until_ended


def starts(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


async def test_fifty_calls_at_once_share_one_process(start_servers: StartServers, tmp_path: Path) -> None:
    started = tmp_path / "starts"
    servers = await start_servers(raw=raw_server(env={"STARTS_FILE": str(started)}))
    tool = servers.tool("raw", "echo")
    calls = (tool.call({"text": str(number)}, call_context()) for number in range(50))
    assert await asyncio.gather(*calls) == [str(number) for number in range(50)]
    assert len(starts(started)) == 1


async def test_a_server_that_exits_at_its_start_is_reported_with_its_stderr_and_not_started_fifty_times(
    start_servers: StartServers, tmp_path: Path
) -> None:
    started = tmp_path / "starts"
    servers = await start_servers(raw=raw_server("exit_at_start", env={"STARTS_FILE": str(started)}))
    failures = await asyncio.gather(*(servers.list_tools("raw") for _ in range(50)), return_exceptions=True)
    for failure in failures:
        assert isinstance(failure, McpServerUnavailable)
        assert (failure.server, failure.kind) == ("raw", "crashed")
        assert "MCP server raw (connect): it ended with exit code 3" in str(failure)
        assert "no such database: production" in str(failure)
    with pytest.raises(McpServerUnavailable, match=r"next start in [01] s at the earliest"):
        await servers.list_tools("raw")
    assert len(starts(started)) == 1


async def test_a_program_that_does_not_exist_is_named(start_servers: StartServers) -> None:
    servers = await start_servers(
        one=McpServerSettings(command="no-such-program"), two=McpServerSettings(command="./bin/server")
    )
    for server, described in [("one", "'no-such-program' in PATH"), ("two", "'./bin/server'")]:
        with pytest.raises(McpServerUnavailable, match=rf"\(connect\): there is no program {described}$") as caught:
            await servers.list_tools(server)
        assert caught.value.kind == "command_not_found"


async def test_a_program_that_cannot_be_executed_is_reported(start_servers: StartServers, tmp_path: Path) -> None:
    (tmp_path / "server").write_bytes(b"\x7fELF no program")
    (tmp_path / "server").chmod(0o700)
    servers = await start_servers(one=McpServerSettings(command="./server"))
    with pytest.raises(McpServerUnavailable, match="Exec format error"):
        await servers.list_tools("one")


async def test_a_server_that_hangs_at_its_start_times_out(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server("hang_at_start", connect_timeout=0.5))
    with pytest.raises(McpServerUnavailable, match=r"MCP server raw \(connect\): no connection within 0.5 s") as caught:
        await servers.list_tools("raw")
    assert caught.value.kind == "timed_out"


async def test_a_server_that_hangs_at_its_close_is_killed_and_named(
    start_servers: StartServers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started = tmp_path / "starts"
    servers = await start_servers(raw=raw_server("hang_at_close", idle_timeout=0.1, env={"STARTS_FILE": str(started)}))
    await servers.list_tools("raw")
    assert len(starts(started)) == 1
    await eventually(lambda: "MCP server raw (close): it did not end within 6 s, and was killed" in caplog.text)
    wait_until_ended(starts(started))


async def test_a_server_that_only_takes_initialize_first_is_used_in_an_older_protocol(
    start_servers: StartServers,
) -> None:
    servers = await start_servers(raw=raw_server("only_initialize", protocol="auto"))
    assert await servers.tool("raw", "echo").call({"text": "hi"}, call_context()) == "hi"


async def test_garbage_on_stdout_is_ignored(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server("garbage"))
    assert await servers.tool("raw", "echo").call({"text": "hi"}, call_context()) == "hi"


async def test_garbage_on_stdout_is_named_when_there_is_no_connection(start_servers: StartServers) -> None:
    settings = McpServerSettings.model_validate(
        {
            "command": "/bin/sh",
            "args": ["-c", "echo Listening on port 80; cat >/dev/null"],
            "opspawn": {"protocol": "legacy", "connect_timeout": 2},
        }
    )
    servers = await start_servers(one=settings)
    with pytest.raises(McpServerUnavailable, match="no MCP message: 'Listening on port 80'"):
        await servers.list_tools("one")


async def test_a_flood_on_stderr_neither_blocks_the_server_nor_fills_the_disk(
    start_servers: StartServers, tmp_path: Path
) -> None:
    servers = await start_servers(raw=raw_server("flood"))
    assert await servers.tool("raw", "echo").call({"text": "hi"}, call_context()) == "hi"
    logs = list((tmp_path / "logs").iterdir())
    assert 10_000 < sum(path.stat().st_size for path in logs) < 2_100_000


async def test_a_server_that_ends_is_noticed_at_once_and_started_again(
    start_servers: StartServers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started = tmp_path / "starts"
    servers = await start_servers(raw=raw_server(env={"STARTS_FILE": str(started)}))
    tool = servers.tool("raw", "echo")
    assert await tool.call({"text": "1"}, call_context()) == "1"
    (first,) = starts(started)
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: "it ended with signal 9" in caplog.text)
    assert await tool.call({"text": "2"}, call_context()) == "2"
    assert len(starts(started)) == 2


async def test_a_crash_loop_is_reported_and_not_repeated_at_full_speed(
    start_servers: StartServers, tmp_path: Path
) -> None:
    started = tmp_path / "starts"
    servers = await start_servers(raw=raw_server(env={"STARTS_FILE": str(started)}))
    tool = servers.tool("raw", "crash")
    failures = [await asyncio.gather(tool.call({}, call_context()), return_exceptions=True) for _ in range(10)]
    last = failures[-1][0]
    assert isinstance(last, ToolNotStarted)
    assert "it ended with exit code 7 (2 times in a row" in str(last)
    assert "out of luck" in str(last)
    assert len(starts(started)) == 2


async def test_an_idle_server_is_ended_and_started_again_when_it_is_needed(
    start_servers: StartServers, tmp_path: Path
) -> None:
    started = tmp_path / "starts"
    servers = await start_servers(raw=raw_server(env={"STARTS_FILE": str(started)}, idle_timeout=0.2))
    tool = servers.tool("raw", "echo")
    assert await tool.call({"text": "1"}, call_context()) == "1"
    await eventually(lambda: not still_running(starts(started)))
    assert await tool.call({"text": "2"}, call_context()) == "2"
    assert len(starts(started)) == 2


async def test_a_server_in_use_is_not_idle(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server(idle_timeout=0.2))
    await servers.list_tools("raw")
    assert await servers.tool("raw", "pause").call({"seconds": 0.5}, call_context()) == "Done."


async def test_a_server_that_answers_nothing_any_more_is_ended(
    start_servers: StartServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio_sessions, "_CHECK_TIMEOUT_S", 0.5)
    started = tmp_path / "starts"
    servers = await start_servers(raw=raw_server(env={"STARTS_FILE": str(started)}, timeout=2))
    with pytest.raises(ToolInterrupted, match=r"none within 2 s"):
        await servers.tool("raw", "stop").call({}, call_context())
    await eventually(lambda: not still_running(starts(started)))
    assert await servers.tool("raw", "echo").call({"text": "hi"}, call_context()) == "hi"


async def test_one_failing_server_affects_no_other(start_servers: StartServers) -> None:
    servers = await start_servers(
        good=raw_server(),
        crashing=raw_server("exit_at_start"),
        hanging=raw_server("hang_at_start", connect_timeout=20),
    )
    hanging = asyncio.create_task(servers.list_tools("hanging"))
    with pytest.raises(McpServerUnavailable):
        await servers.list_tools("crashing")
    began = time.monotonic()
    assert await servers.tool("good", "echo").call({"text": "hi"}, call_context()) == "hi"
    assert time.monotonic() - began < 15
    assert not hanging.done()
    hanging.cancel()


async def test_a_process_gets_the_variables_that_its_settings_name_and_no_others(
    start_servers: StartServers, tmp_path: Path
) -> None:
    named = raw_server(env={"MINE": "1"})
    passed = named.model_copy(update={"opspawn": McpOptions(protocol="legacy", env=("OTHER",)), "cwd": "below"})
    (tmp_path / "below").mkdir()
    servers = await start_servers(named=named, passed=passed)
    seen = {
        name: json.loads(str(await servers.tool(name, "environment").call({}, call_context())))
        for name in ("named", "passed")
    }
    assert seen["named"]["variables"].keys() - {"LC_CTYPE"} == {"MINE", "PATH"}
    assert seen["passed"]["variables"].keys() - {"LC_CTYPE"} == {"MINE", "PATH", "OTHER"}
    assert seen["named"]["directory"] == str(tmp_path)
    assert seen["passed"]["directory"] == str(tmp_path / "below")


async def test_a_directory_that_does_not_exist_is_named(start_servers: StartServers) -> None:
    servers = await start_servers(raw=raw_server().model_copy(update={"cwd": "missing"}))
    with pytest.raises(McpServerUnavailable, match=r"can't be started in .*/missing"):
        await servers.list_tools("raw")
