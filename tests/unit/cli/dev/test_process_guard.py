"""The guard stops what ``opspawn dev`` started and could not stop itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from cli.dev.child_process import ProcessGuard
from tests.unit.cli.dev.process_probes import WAITS, WITH_GRANDCHILD, WatchedLog, hold_connection

IGNORES_SIGTERM = f"import signal; signal.signal(15, signal.SIG_IGN); {WAITS}"


async def start_guard(tmp_path: Path) -> ProcessGuard:
    with (tmp_path / "lock").open("w") as lock:
        return await ProcessGuard.start(lock.fileno())


async def start_process(script: str) -> tuple[Process, str]:
    """Start a process group; return it with the first line of its output."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=PIPE, start_new_session=True)
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    return process, line.decode()


async def test_it_stops_remaining_process_groups_when_its_pipe_closes(tmp_path: Path) -> None:
    guard = await start_guard(tmp_path)
    process, line = await start_process(WITH_GRANDCHILD)
    log = WatchedLog()
    log.write(line)
    wait_until_gone = await hold_connection(await log.wait_for(r"grandchild (\d+)"))
    guard.add(process.pid)

    await guard.close()

    assert await asyncio.wait_for(process.wait(), 20) == -signal.SIGTERM
    await wait_until_gone()


@pytest.mark.timeout(60)
async def test_it_kills_a_process_that_ignores_sigterm(tmp_path: Path) -> None:
    guard = await start_guard(tmp_path)
    process, _ = await start_process(IGNORES_SIGTERM)
    guard.add(process.pid)

    await guard.close()

    assert await asyncio.wait_for(process.wait(), 20) == -signal.SIGKILL


async def test_it_leaves_removed_process_groups_alone(tmp_path: Path) -> None:
    guard = await start_guard(tmp_path)
    process, _ = await start_process(WAITS)
    guard.add(process.pid)
    guard.remove(process.pid)

    await guard.close()

    assert process.returncode is None
    os.killpg(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
