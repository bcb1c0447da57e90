"""Child processes: read, stopped for certain, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from rich.console import Console

from cli.dev.child_process import Child, ChildSpec, Guard
from cli.dev.log_view import LogView

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
GRANDCHILD = (
    "import socket, time; server = socket.create_server(('127.0.0.1', 0));"
    "print('grandchild', server.getsockname()[1], flush=True); held = server.accept(); time.sleep(60)"
)
WITH_GRANDCHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {GRANDCHILD!r}])"


class Seen(io.StringIO):
    """A log that tells when a line has come."""

    def __init__(self) -> None:
        super().__init__()
        self._came = asyncio.Event()

    def write(self, text: str) -> int:
        self._came.set()
        return super().write(text)

    async def until(self, pattern: str) -> re.Match[str]:
        async with asyncio.timeout(10):
            while (found := re.search(pattern, self.getvalue())) is None:
                self._came.clear()
                await self._came.wait()
        return found


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    with (tmp_path / "lock").open("w") as lock:
        guard = await Guard.start(lock.fileno())
        yield guard
        await guard.close()


@pytest.fixture
async def seen() -> Seen:
    return Seen()


def child(seen: Seen, guard: Guard, script: str, *, grace: float = 5.0, shows: Callable[[str], bool] = bool) -> Child:
    spec = ChildSpec("worker", (sys.executable, "-c", script), shows, grace)
    return Child(spec, LogView(Console(file=seen, width=200), lambda: None), guard)


async def hold(port: re.Match[str]) -> Callable[[], Awaitable[None]]:
    """Connect to the grandchild; return what waits until the kernel closes that connection, as it does at its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port[1]))

    async def gone() -> None:
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()

    return gone


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        ("print('bye')", "ended with exit code 0"),
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
    ],
    ids=["done", "failed", "killed"],
)
async def test_how_a_child_ended_is_told(seen: Seen, guard: Guard, script: str, ending: str) -> None:
    assert await child(seen, guard, script).live() == ending


async def test_lines_are_prefixed_and_those_not_shown_kept_for_the_end(seen: Seen, guard: Guard) -> None:
    script = (
        "import sys; [print(f'noise {n}') for n in range(9)]; [print(f'line {n}') for n in range(3)];"
        r"sys.stdout.buffer.write(b'\x1b[31mnoise\xff no end')"
    )
    process = child(seen, guard, script, shows=lambda line: "noise" not in line)

    await process.live()

    assert seen.getvalue().splitlines() == [f"worker   │ line {n}" for n in range(3)]
    assert [*process.last_lines] == [*(f"noise {n}" for n in range(5, 9)), "\x1b[31mnoise\ufffd no end"]


async def test_a_line_without_end_is_cut_not_kept(seen: Seen, guard: Guard) -> None:
    process = child(seen, guard, "print('x' * 1_000_000)")

    await process.live()

    assert seen.getvalue().count("x") == 1_000_000
    assert len(seen.getvalue().splitlines()) > 1


async def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(seen: Seen, guard: Guard) -> None:
    process = child(seen, guard, STUBBORN, grace=0.3)
    living = asyncio.create_task(process.live())
    await seen.until("up")

    await process.stop()

    assert await asyncio.wait_for(living, 5) == "was ended by SIGKILL"
    assert "worker did not stop within 0.3 s" in seen.getvalue()


async def test_what_a_child_started_is_stopped_with_it(seen: Seen, guard: Guard) -> None:
    process = child(seen, guard, WITH_GRANDCHILD)
    living = asyncio.create_task(process.live())
    gone = await hold(await seen.until(r"grandchild (\d+)"))

    await process.stop()

    await asyncio.wait_for(living, 5)
    await gone()


async def test_the_guard_stops_what_is_left_when_its_pipe_closes(seen: Seen, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        guard = await Guard.start(lock.fileno())
    living = asyncio.create_task(child(seen, guard, WITH_GRANDCHILD).live())
    gone = await hold(await seen.until(r"grandchild (\d+)"))

    await guard.close()

    assert await asyncio.wait_for(living, 10) == "was ended by SIGTERM"
    await gone()


async def test_the_guard_leaves_alone_what_it_was_told_to_forget(guard: Guard) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import time; time.sleep(60)", start_new_session=True
    )
    guard.watch(process.pid)
    guard.forget(process.pid)

    await guard.close()

    assert process.returncode is None
    os.killpg(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
