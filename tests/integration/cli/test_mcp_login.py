"""``opspawn mcp login``, with a real authorization server and a browser."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.integration.cli.mcp_app import OPSPAWN, run
from tests.integration.mcp_http.protected_calculators import Protected, protected


def write_app(app: Protected, directory: Path) -> None:
    (directory / "mcp.json").write_text(
        json.dumps({"mcpServers": {"calc": {"url": app.server.url, "opspawn": {"oauth": {}}}}})
    )


async def log_in(app: Protected, directory: Path) -> tuple[int | None, str]:
    """Log in as a person does who opens the address that is printed; return the exit code and what was printed."""
    process = await asyncio.create_subprocess_exec(*OPSPAWN, "login", "calc", cwd=directory, stdin=PIPE, stderr=PIPE)
    assert process.stderr is not None
    printed = ""
    async with asyncio.timeout(60):
        while line := (await process.stderr.readline()).decode():
            printed += line
            if line.startswith("  http"):
                await app.browse(line.strip())
        return await process.wait(), printed


async def test_after_a_login_the_servers_tools_can_be_called(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        write_app(app, tmp_path)
        before = await asyncio.to_thread(run, tmp_path, "tools", "calc")
        code, printed = await log_in(app, tmp_path)
        called = await asyncio.to_thread(run, tmp_path, "call", "calc", "add", '{"a": 1, "b": 2}', "--yes")
    assert (before.returncode, "opspawn mcp login calc" in before.stderr) == (1, True)
    assert (code, "Logged in at MCP server 'calc'" in printed) == (0, True)
    assert (called.returncode, called.stdout.strip()) == (0, "3")
    assert ((tmp_path / ".opspawn" / "mcp" / "tokens").stat().st_mode & 0o077) == 0


async def test_a_login_that_is_refused_is_exit_code_1(tmp_path: Path) -> None:
    async with protected(tmp_path) as app:
        write_app(app, tmp_path)
        app.issuing.refuses_login = True
        code, printed = await log_in(app, tmp_path)
    assert (code, "the login was refused (access_denied)" in printed) == (1, True)


def test_a_server_with_a_command_needs_no_login(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"time": {"command": "mcp-server-time"}}}')
    result = run(tmp_path, "login", "time")
    assert (result.returncode, "needs no login" in result.stderr) == (1, True)


def test_a_login_that_workers_would_not_use_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"calc": {"url": "http://127.0.0.1:9/mcp"}}}')
    result = run(tmp_path, "login", "calc")
    assert (result.returncode, '"opspawn": {"oauth": {}}' in result.stderr) == (2, True)
