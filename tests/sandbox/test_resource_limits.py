"""Code that uses all that it can get is ended, and hurts nothing outside: in each tier."""

from __future__ import annotations

import asyncio
import os
import shutil
import time

import pytest

from agentkit.interfaces import SandboxedProgram, SandboxLimits
from agentkit.sandbox.local_sandbox import LocalSandbox
from agentkit.sandbox.scratch_space import ScratchSpace
from tests.polling import eventually
from tests.sandbox.conftest import Run, processes_of

MIB = 2**20


async def test_an_endless_loop_is_ended_at_its_time(run: Run) -> None:
    started = time.monotonic()
    result = await run("while True: pass", wall_s=1)
    assert result.cut_off_by == "time"
    assert time.monotonic() - started < 10


async def test_code_that_ignores_signals_is_ended(run: Run) -> None:
    code = "trap '' TERM INT HUP QUIT XCPU; while :; do :; done"
    assert (await run(code, kind="shell", wall_s=1)).cut_off_by == "time"


async def test_a_fork_bomb_is_bounded_and_ended(run: Run, space: ScratchSpace) -> None:
    result = await run(":(){ :|:& };:; wait; sleep 30", kind="shell", wall_s=3, processes=32)
    assert result.cut_off_by in ("time", None)
    assert processes_of(space) == set()
    assert "fork" in result.stderr.head


async def test_a_fork_bomb_in_python_leaves_nothing(run: Run, space: ScratchSpace) -> None:
    code = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"
    result = await run(code, wall_s=2, processes=32)
    assert result.cut_off_by is not None
    assert processes_of(space) == set()


async def test_threads_are_bounded(run: Run) -> None:
    code = (
        "import threading, time\nn = 0\ntry:\n"
        " for n in range(1000): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\n"
        "except RuntimeError: print('bounded', n < 40)"
    )
    assert (await run(code, processes=32)).stdout.head == "bounded True\n"


async def test_memory_beyond_the_limit_is_an_error_in_the_code(run: Run) -> None:
    result = await run("x = bytearray(600 * 2**20)", memory_bytes=400 * MIB)
    assert result.exit_code == 1
    assert "MemoryError" in result.stderr.head


async def test_processes_together_stay_below_the_memory_limit(run: Run) -> None:
    code = (
        "import os, time\n"
        "for _ in range(6):\n"
        " if os.fork() == 0:\n  x = bytearray(os.urandom(1)) * (80 * 2**20); time.sleep(20); os._exit(0)\n"
        "time.sleep(20)"
    )
    assert (await run(code, memory_bytes=256 * MIB)).cut_off_by == "memory"


async def test_one_file_can_not_exceed_the_disk_limit(run: Run) -> None:
    code = "f = open('big', 'wb')\nfor _ in range(100): f.write(bytes(2**20)); f.flush()"
    result = await run(code, disk_bytes=20 * MIB)
    assert "File too large" in result.stderr.head or result.cut_off_by == "disk"


async def test_many_files_are_ended_at_the_disk_limit(run: Run, space: ScratchSpace) -> None:
    free = shutil.disk_usage(space.directory).free
    code = "import time\nfor n in range(10_000):\n open(f'f{n}', 'wb').write(bytes(4 * 2**20)); time.sleep(0.005)"
    result = await run(code, disk_bytes=40 * MIB)
    assert result.cut_off_by == "disk"
    assert free - shutil.disk_usage(space.directory).free < 1024 * MIB


async def test_empty_files_are_bounded_in_number(run: Run) -> None:
    code = "import time\nfor n in range(100_000):\n open(f'f{n}', 'w').close()\ntime.sleep(5)"
    assert (await run(code, files=500)).cut_off_by == "disk"


async def test_a_deep_tree_is_ended_and_deleted(run: Run, space: ScratchSpace) -> None:
    code = "import os, time\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')\ntime.sleep(10)"
    result = await run(code)
    assert result.cut_off_by == "disk"
    assert _left(space) == []


async def test_a_directory_without_permissions_is_deleted(run: Run, space: ScratchSpace) -> None:
    await run("mkdir -p a/b && touch a/b/c && chmod 000 a/b a .", kind="shell")
    assert _left(space) == []


async def test_a_gigabyte_of_output_is_cut_off(run: Run) -> None:
    started = time.monotonic()
    result = await run("import os\nb = bytes(65536)\nfor _ in range(16384): os.write(1, b)")
    assert result.cut_off_by == "output"
    assert result.stdout.bytes_written < 64 * MIB
    assert result.stdout.bytes_left_out > 0
    assert len(result.stdout.head) + len(result.stdout.tail) <= 24_000
    assert time.monotonic() - started < 20


async def test_long_output_keeps_its_start_and_end(run: Run) -> None:
    result = await run("for n in range(20_000): print('line', n)")
    assert result.cut_off_by is None
    assert result.stdout.head.startswith("line 0\n")
    assert result.stdout.tail.endswith("line 19999\n")
    assert result.stdout.bytes_written - result.stdout.bytes_left_out <= 24_000


async def test_open_files_are_bounded(run: Run) -> None:
    result = await run("x = [open('/dev/null') for _ in range(1000)]", open_files=64)
    assert "Too many open files" in result.stderr.head


async def test_temporary_files_count_too(run: Run) -> None:
    code = (
        "import tempfile, time\nf = [tempfile.NamedTemporaryFile() for _ in range(20)]\n"
        "for g in f: g.write(bytes(8 * 2**20)); g.flush()\ntime.sleep(5)"
    )
    assert (await run(code, disk_bytes=64 * MIB)).cut_off_by == "disk"


async def test_a_cancelled_call_ends_all_processes(sandbox: LocalSandbox, space: ScratchSpace) -> None:
    async def call() -> None:
        async with sandbox.workspace() as workspace:
            (workspace.directory / "started").mkdir()
            code = "touch running; sleep 60 & setsid sleep 60 & wait"
            await workspace.run(SandboxedProgram(kind="shell", code=code), SandboxLimits())

    task = asyncio.create_task(call())
    await eventually(lambda: bool(list(space.directory.glob("*/files/running"))))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_of(space) == set()
    assert _left(space) == []


async def test_a_call_that_is_cancelled_while_its_process_starts_leaves_no_open_descriptor(
    sandbox: LocalSandbox, space: ScratchSpace
) -> None:
    program = SandboxedProgram(kind="shell", code=":")
    async with sandbox.workspace() as workspace:
        await workspace.run(program, SandboxLimits())
    before = len(os.listdir("/proc/self/fd"))
    for turns in range(12):
        async with sandbox.workspace() as workspace:
            run = asyncio.create_task(workspace.run(program, SandboxLimits()))
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.sleep(turns / 2_000)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before)
    assert processes_of(space) == set()


async def test_the_interpreter_runs_at_a_lower_priority(run: Run) -> None:
    assert int((await run("import os; print(os.nice(0))")).stdout.head) >= os.nice(0) + 5


async def test_only_so_many_programs_run_at_once(sandbox: LocalSandbox) -> None:
    running = 0
    most = 0

    async def call() -> None:
        nonlocal running, most
        async with sandbox.workspace() as workspace:
            running += 1
            most = max(most, running)
            await workspace.run(SandboxedProgram(kind="shell", code=":"), SandboxLimits())
            running -= 1

    await asyncio.gather(*(call() for _ in range(10)))
    assert most == 4


def _left(space: ScratchSpace) -> list[str]:
    return [path.name for path in space.directory.iterdir() if path.is_dir()]
