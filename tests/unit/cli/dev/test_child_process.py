"""Child processes: their output is read, and they are stopped with everything that they started."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
from rich.console import Console

from cli.dev.child_process import ChildProcess, ChildSpec, ProcessGuard
from cli.dev.log_view import LogView
from tests.unit.cli.dev.process_probes import WAITS, WITH_GRANDCHILD, WatchedLog, hold_connection

IGNORES_SIGTERM = f"import signal; signal.signal(15, signal.SIG_IGN); {WAITS}"


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[ProcessGuard]:
    with (tmp_path / "lock").open("w") as lock:
        guard = await ProcessGuard.start(lock.fileno())
        yield guard
        await guard.close()


@pytest.fixture
async def log() -> WatchedLog:
    return WatchedLog()


def child(
    log: WatchedLog,
    guard: ProcessGuard,
    script: str,
    *,
    environment: Mapping[str, str] | None = None,
    grace_s: float = 5.0,
    is_shown: Callable[[str], bool] = bool,
) -> ChildProcess:
    spec = ChildSpec("worker", (sys.executable, "-c", script), environment or {}, is_shown, grace_s)
    return ChildProcess(spec, LogView(Console(file=log, width=200), lambda: None), guard)


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        ("print('bye')", "ended with exit code 0"),
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
    ],
    ids=["done", "failed", "killed"],
)
async def test_the_end_of_a_child_is_described(log: WatchedLog, guard: ProcessGuard, script: str, ending: str) -> None:
    assert await child(log, guard, script).run() == ending


async def test_shown_lines_are_prefixed_and_the_newest_others_are_kept(log: WatchedLog, guard: ProcessGuard) -> None:
    script = (
        "import sys; [print(f'noise {n}') for n in range(9)]; [print(f'line {n}', flush=True) for n in range(3)];"
        r"sys.stdout.buffer.write(b'\x1b[31mnoise\xff no end')"
    )
    process = child(log, guard, script, is_shown=lambda line: "noise" not in line)

    await process.run()

    started, *lines = log.getvalue().splitlines()
    assert re.fullmatch(r"worker   │ started as process \d+", started)
    assert lines == [f"worker   │ line {n}" for n in range(3)]
    assert [*process.last_lines] == [*(f"noise {n}" for n in range(5, 9)), "\x1b[31mnoise\ufffd no end"]


async def test_an_endless_line_is_cut(log: WatchedLog, guard: ProcessGuard) -> None:
    process = child(log, guard, "print('x' * 1_000_000)")

    await process.run()

    assert log.getvalue().count("x") == 1_000_000
    assert len(log.getvalue().splitlines()) > 1


async def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(log: WatchedLog, guard: ProcessGuard) -> None:
    process = child(log, guard, IGNORES_SIGTERM, grace_s=0.3)
    running = asyncio.create_task(process.run())
    await log.wait_for("up")

    await process.stop()

    assert await asyncio.wait_for(running, 5) == "was ended by SIGKILL"
    assert "worker did not stop within 0.3 s" in log.getvalue()


async def test_processes_that_a_child_started_are_stopped_with_it(log: WatchedLog, guard: ProcessGuard) -> None:
    process = child(log, guard, WITH_GRANDCHILD)
    running = asyncio.create_task(process.run())
    wait_until_gone = await hold_connection(await log.wait_for(r"grandchild (\d+)"))

    await process.stop()

    await asyncio.wait_for(running, 5)
    await wait_until_gone()


async def test_a_child_gets_its_own_environment_and_nothing_else(
    log: WatchedLog, guard: ProcessGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSPAWN_PORT", "1")
    script = "import os; print(os.getenv('OPSPAWN_PORT'), os.getenv('OPSPAWN_HOST'))"

    await child(log, guard, script, environment={"OPSPAWN_HOST": "::1"}).run()

    assert log.getvalue().endswith("\nworker   │ None ::1\n")
