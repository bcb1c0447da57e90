"""The pool's number of processes, and which call gets which of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentkit.errors import ToolError, ToolNotStarted, ToolUnavailable
from agentkit.interfaces import ToolValue
from agentkit.tools.host.host_limits import HostLimits
from tests.polling import eventually
from tests.process_states import still_running

if TYPE_CHECKING:
    from tests.unit.agentkit.tools.host.conftest import Project

TOOLS = """
    import asyncio, atexit, multiprocessing, os, subprocess, threading, time
    from pathlib import Path

    counter = 0

    @tool(effect="pure")
    def pid() -> int:
        return os.getpid()

    @tool(effect="pure")
    async def meet(directory: str, count: int) -> int:
        Path(directory, str(os.getpid())).touch()
        while len(list(Path(directory).iterdir())) < count:
            await asyncio.sleep(0.01)
        return os.getpid()

    @tool(effect="pure")
    def count() -> int:
        global counter
        counter += 1
        return counter

    @tool(effect="pure")
    def leave_thread() -> int:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        return os.getpid()

    @tool(effect="pure")
    async def leave_task() -> int:
        leave_task.kept = asyncio.create_task(asyncio.sleep(60))
        return os.getpid()

    @tool(effect="pure")
    async def leave_job() -> int:
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
        return os.getpid()

    @tool(effect="pure")
    def leave_process() -> int:
        leave_process.kept = subprocess.Popen(["sleep", "60"])
        return os.getpid()

    @tool(effect="pure")
    def leave_fork() -> int:
        return os.getpid() if os.fork() else 0

    @tool(effect="pure")
    def use_memory() -> int:
        bytearray(600_000_000)
        return os.getpid()

    @tool(effect="pure")
    async def leave_the_directory() -> int:
        os.chdir("/")
        return os.getpid()

    @tool(effect="pure")
    async def set_alarm() -> int:
        import signal
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(1)
        return os.getpid()

    @tool(effect="pure")
    async def outlast_alarm() -> int:
        await asyncio.sleep(1.2)
        return os.getpid()

    @tool(effect="pure")
    def directory() -> str:
        return os.getcwd()
"""


async def test_calls_after_one_another_share_a_process_and_its_modules(project: Project) -> None:
    project.write("tools/a.py", TOOLS)
    assert [await project.call("count") for _ in range(3)] == [1, 2, 3]


async def test_calls_at_the_same_time_run_in_processes_of_their_own(project: Project, tmp_path: Path) -> None:
    project.write("tools/a.py", TOOLS)
    directory = tmp_path / "meeting"
    directory.mkdir()
    pids = await asyncio.gather(*(project.call("meet", directory=str(directory), count=6) for _ in range(6)))
    assert len(set(pids)) == 6


async def test_more_calls_than_processes_wait_for_one(project: Project) -> None:
    project.limits = HostLimits(max_hosts=2)
    project.write("tools/a.py", TOOLS)
    pids = await asyncio.gather(*(project.call("pid") for _ in range(20)))
    assert len(set(pids)) <= 2


async def test_calls_whose_wait_ends_as_a_process_becomes_free_do_not_disturb_the_others(project: Project) -> None:
    project.limits = HostLimits(max_hosts=1, wait_timeout_s=0.03)
    project.write("tools/a.py", TOOLS)
    await project.pool.warm_up()
    made = 0
    for _ in range(20):
        outcomes = await asyncio.gather(*(project.call("pid") for _ in range(60)), return_exceptions=True)
        made += sum(isinstance(outcome, int) for outcome in outcomes)
        assert {type(outcome) for outcome in outcomes} <= {int, ToolNotStarted}
    assert made


async def test_a_call_that_gets_no_process_in_time_was_not_made(project: Project, tmp_path: Path) -> None:
    project.limits = HostLimits(max_hosts=1, wait_timeout_s=0.2)
    project.write("tools/a.py", TOOLS)
    directory = tmp_path / "meeting"
    directory.mkdir()
    await project.pool.warm_up()
    meeting = asyncio.create_task(project.call("meet", directory=str(directory), count=2))
    await asyncio.wait_for(asyncio.to_thread(_wait_for_file, directory), 30)
    with pytest.raises(ToolUnavailable, match=r"pid was not called: no process for it became free within 0\.2 s"):
        await project.call("pid")
    (directory / "second").touch()
    assert await meeting == await project.call("pid")


def _wait_for_file(directory: Path) -> None:
    while not any(directory.iterdir()):
        os.sched_yield()


async def test_a_call_that_is_cancelled_while_it_waits_leaves_the_process_to_others(project: Project) -> None:
    project.limits = HostLimits(max_hosts=1)
    project.write("tools/a.py", TOOLS)
    calls = [asyncio.create_task(project.call("pid")) for _ in range(8)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(result, int) for result in results] == [False, True] * 4
    assert isinstance(await project.call("pid"), int)


@pytest.mark.parametrize("name", ["leave_thread", "leave_task", "leave_job", "leave_process", "leave_fork"])
async def test_what_a_call_leaves_behind_shares_a_process_with_calls_of_the_same_tool_only(
    project: Project, name: str
) -> None:
    project.write("tools/a.py", TOOLS)
    first = await project.call(name)
    others = [await project.call("pid") for _ in range(3)]
    assert first not in others
    assert await project.call(name) == first


async def test_a_process_with_leftovers_makes_room_for_other_tools(project: Project) -> None:
    project.limits = HostLimits(max_hosts=1)
    project.write("tools/a.py", TOOLS)
    assert await project.call("leave_thread") != await project.call("pid")


async def test_a_process_whose_memory_has_grown_is_replaced(project: Project) -> None:
    project.limits = HostLimits(max_hosts=1)
    project.write("tools/a.py", TOOLS)
    assert await project.call("use_memory") != await project.call("pid")


async def test_the_working_directory_is_set_back_after_a_call(project: Project) -> None:
    project.limits = HostLimits(max_hosts=1)
    project.write("tools/a.py", TOOLS)
    before = await project.call("directory")
    assert await project.call("leave_the_directory") == await project.call("pid")
    assert await project.call("directory") == before


async def test_an_alarm_that_a_call_has_set_ends_no_later_call(project: Project) -> None:
    project.limits = HostLimits(max_hosts=1)
    project.write("tools/a.py", TOOLS)
    assert await project.call("set_alarm") == await project.call("outlast_alarm")


async def test_a_spare_process_is_ready_while_another_is_in_use(project: Project, tmp_path: Path) -> None:
    project.write("tools/a.py", TOOLS)
    directory = tmp_path / "meeting"
    directory.mkdir()
    meeting = asyncio.create_task(project.call("meet", directory=str(directory), count=2))
    await asyncio.wait_for(asyncio.to_thread(_wait_for_file, directory), 30)
    await project.pool.warm_up()
    assert project.pool.size == 2
    (directory / "second").touch()
    await meeting


async def test_idle_processes_are_ended_but_for_one(project: Project, tmp_path: Path) -> None:
    project.limits = HostLimits(idle_timeout_s=0.1)
    project.write("tools/a.py", TOOLS)
    directory = tmp_path / "meeting"
    directory.mkdir()
    await asyncio.gather(*(project.call("meet", directory=str(directory), count=4) for _ in range(4)))
    pids = [int(path.name) for path in sorted(directory.iterdir())]  # a few files
    await eventually(lambda: project.pool.size == 1)
    await eventually(lambda: len(still_running(pids)) <= 1)
    assert isinstance(await project.call("pid"), int)


async def test_closing_ends_all_processes(project: Project, tmp_path: Path) -> None:
    project.write("tools/a.py", TOOLS)
    pids = [await project.call("pid"), await project.call("leave_process")]
    await project.pool.close()
    own = [pid for pid in pids if isinstance(pid, int)]
    await eventually(lambda: not still_running(own), 5)  # they were killed, and end a moment later


def test_a_pool_works_in_one_event_loop_after_another(project: Project) -> None:
    project.write("tools/a.py", TOOLS)

    async def call_and_close() -> ToolValue:
        try:
            return await project.call("pid")
        finally:
            await project.pool.close()

    assert asyncio.run(call_and_close()) != asyncio.run(call_and_close())


async def test_tools_that_can_not_be_imported_any_more_are_named_in_the_error(project: Project) -> None:
    project.write("tools/a.py", TOOLS)
    assert project.description.importable == ["a.py"]
    path = project.write("tools/a.py", "1 / 0")
    with pytest.raises(ToolUnavailable) as raised:
        await project.call("pid")
    assert str(raised.value) == f"pid was not called: {path}:2: ZeroDivisionError: division by zero."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("import os\nos._exit(3)", "ended with exit code 3", id="exit"),
        pytest.param("import time\ntime.sleep(60)", "took more than 2 s", id="hang"),
    ],
)
async def test_an_import_that_ends_or_blocks_a_process_fails_the_call_and_is_tried_again(
    project: Project, text: str, reason: str
) -> None:
    project.write("tools/a.py", TOOLS)
    assert project.description.importable == ["a.py"]
    project.limits = HostLimits(start_timeout_s=2.0 if "2 s" in reason else 30.0)
    project.write("tools/a.py", text)
    with pytest.raises(ToolError, match=f"pid was not called: a process that was to import .* {reason}"):
        await project.call("pid")
    project.write("tools/a.py", TOOLS)
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(ToolUnavailable):  # a loaded machine may need more than 2 s
                assert isinstance(await project.call("pid"), int)
                return


async def test_a_spare_process_that_lacks_tools_is_not_kept_beside_one_that_has_them(
    project: Project, tmp_path: Path
) -> None:
    project.write("tools/a.py", TOOLS)
    await project.pool.warm_up()
    project.write("tools/a.py", "1 / 0")
    directory = tmp_path / "meeting"
    directory.mkdir()
    meeting = asyncio.create_task(project.call("meet", directory=str(directory), count=2))
    await asyncio.wait_for(asyncio.to_thread(_wait_for_file, directory), 30)
    await project.pool.warm_up()
    assert project.pool.size == 1
    (directory / "second").touch()
    assert await meeting == await project.call("pid")
