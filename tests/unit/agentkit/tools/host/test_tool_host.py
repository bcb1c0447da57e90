"""Tools that misbehave end or spoil their own call, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentkit.errors import ToolArgumentsInvalid, ToolError, ToolInterrupted, ToolUnavailable
from agentkit.tools.host.host_limits import HostLimits
from tests.process_states import wait_until_ended

if TYPE_CHECKING:
    from tests.unit.agentkit.tools.host.conftest import Project

CURE = "Other arguments may work; if they don't, go on without it."

ENDINGS = """
    import ctypes, os, signal, sys

    @tool(effect="pure")
    def leave(code: int) -> None:
        os._exit(code)

    @tool(effect="pure")
    def crash() -> None:
        ctypes.string_at(0)

    @tool(effect="pure")
    async def kill_itself() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @tool
    def leave_irreversibly() -> None:
        os._exit(3)

    @tool(effect="pure")
    async def replace_program() -> None:
        os.execv("/bin/true", ["true"])

    @tool(effect="pure")
    async def stop_loop() -> None:
        import asyncio
        asyncio.get_running_loop().stop()
        await asyncio.sleep(60)

    @tool(effect="pure")
    async def cancel_everything() -> None:
        import asyncio
        for task in asyncio.all_tasks():
            task.cancel()
        await asyncio.sleep(60)

    @tool(effect="pure")
    async def close_descriptors() -> None:
        os.closerange(3, 4096)

    @tool(effect="pure")
    def close_sockets() -> None:
        import socket, stat, time
        for descriptor in range(3, 4096):
            try:
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    os.close(descriptor)
            except OSError:
                pass
        time.sleep(60)

    @tool(effect="pure")
    async def disturb_connection() -> None:
        import socket
        for descriptor in range(3, 4096):
            try:
                socket.socket(fileno=os.dup(descriptor)).send(b"noise\\n")
            except OSError:
                pass
        signal.pause()

    @tool(effect="pure")
    def pid() -> int:
        return os.getpid()
"""


@pytest.mark.parametrize(
    ("name", "how", "cure"),
    [
        pytest.param("crash", "was ended by SIGSEGV", CURE, id="segmentation fault"),
        pytest.param("kill_itself", "was ended by SIGKILL, perhaps for lack of memory", CURE, id="SIGKILL"),
        pytest.param("leave_irreversibly", "ended with exit code 3", "", id="irreversible"),
        pytest.param("replace_program", "ended with exit code 0", CURE, id="exec"),
        pytest.param("stop_loop", "ended with exit code 1", CURE, id="event loop stopped"),
        pytest.param("close_descriptors", "ended with exit code 1", CURE, id="all descriptors closed"),
        pytest.param("close_sockets", "has closed the connection to the worker", CURE, id="sockets closed"),
        pytest.param(
            "disturb_connection", "was ended, because it disturbed the connection to the worker", CURE, id="noise"
        ),
    ],
)
async def test_a_tool_that_ends_its_process_ends_its_own_call_only(
    project: Project, name: str, how: str, cure: str
) -> None:
    project.write("tools/a.py", ENDINGS)
    other = asyncio.create_task(project.call("pid"))
    with pytest.raises(ToolInterrupted) as raised:
        await project.call(name)
    assert str(raised.value) == f"{name} failed: its process {how}. {cure}".rstrip()
    assert isinstance(await other, int)
    assert isinstance(await project.call("pid"), int)


MEMORY = """
    import ctypes, os, subprocess, sys

    @tool(effect="pure")
    def allocate(count: int) -> int:
        return len(bytearray(count))

    @tool(effect="pure")
    async def allocate_in_c() -> None:
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        if not libc.malloc(ctypes.c_size_t(10**10)):
            libc.abort()

    @tool(effect="pure")
    def allocate_in_a_child() -> str:
        return subprocess.run([sys.executable, "-c", "bytearray(10**10)"], stderr=-1, text=True).stderr

    @tool(effect="pure")
    def reserve() -> int:
        import mmap
        return len(mmap.mmap(-1, 10**11, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit has no effect")
async def test_a_tool_that_allocates_10_gb_fails_and_the_others_go_on(project: Project) -> None:
    project.write("tools/a.py", MEMORY)
    with pytest.raises(ToolError, match=r"allocate failed: MemoryError: .*may use 4 GiB. Ask for less at a time"):
        await project.call("allocate", count=10**10)
    with pytest.raises(ToolInterrupted, match="allocate_in_c failed: its process was ended by SIGABRT"):
        await project.call("allocate_in_c")
    assert str(await project.call("allocate_in_a_child")).endswith("MemoryError\n")
    assert await project.call("reserve") == 10**11, "address space is no memory"
    assert await project.call("allocate", count=10**6) == 10**6


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit has no effect")
async def test_the_memory_limit_is_a_setting(project: Project) -> None:
    project.limits = HostLimits(memory_bytes=300_000_000)
    project.write("tools/a.py", MEMORY)
    assert await project.call("allocate", count=10**8) == 10**8
    with pytest.raises(ToolError, match=r"may use 0.279 GiB"):
        await project.call("allocate", count=4 * 10**8)


async def test_a_tool_that_cancels_all_tasks_ends_its_own_call_only(project: Project) -> None:
    project.write("tools/a.py", ENDINGS)
    with pytest.raises(ToolError, match="cancel_everything failed: CancelledError"):
        await project.call("cancel_everything")
    assert isinstance(await project.call("pid"), int)


async def test_the_line_of_a_crash_is_in_the_workers_log(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    path = project.write("tools/a.py", ENDINGS)
    line = path.read_text().splitlines().index("    ctypes.string_at(0)") + 1
    with caplog.at_level(logging.INFO), pytest.raises(ToolInterrupted):
        await project.call("crash")
    assert "crash: Fatal Python error: Segmentation fault" in caplog.messages
    assert f'crash:   File "{path}", line {line} in crash' in caplog.messages


@pytest.mark.parametrize(
    ("raised", "error_type", "text"),
    [
        pytest.param("ToolError('Try A-100.')", ToolError, "Try A-100.", id="ToolError"),
        pytest.param("ToolUnavailable('Closed.')", ToolUnavailable, "Closed.", id="ToolUnavailable"),
        pytest.param(
            "type('StationClosed', (ToolUnavailable,), {})('Closed.')",
            ToolUnavailable,
            "Closed.",
            id="a subclass of it",
        ),
        pytest.param("ConnectionError('reset')", ToolUnavailable, "f failed: ConnectionError: reset", id="connection"),
        pytest.param("ValueError('bad')", ToolError, "f failed: ValueError: bad", id="exception"),
        pytest.param("SystemExit(3)", ToolError, "f failed: SystemExit: 3", id="SystemExit"),
        pytest.param("KeyboardInterrupt()", ToolError, "f failed: ", id="KeyboardInterrupt"),
        pytest.param(
            "type('Odd', (BaseException,), {})('odd')", ToolError, "f failed: Odd: odd", id="a BaseException of its own"
        ),
        pytest.param("ToolError('x' * 5_000_000)", ToolError, "xxx", id="a text of megabytes"),
        pytest.param(
            "type('Mute', (BaseException,), {'__str__': lambda _: 1 / 0})()", ToolError, "f failed: Mute", id="no text"
        ),
        pytest.param("asyncio.CancelledError()", ToolError, "f failed: CancelledError", id="CancelledError"),
    ],
)
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_errors_cross_with_their_type_and_text(
    project: Project, kind: str, raised: str, error_type: type[ToolError], text: str
) -> None:
    project.write("tools/a.py", f'import asyncio\n@tool(effect="pure")\n{kind} f() -> None:\n    raise {raised}\n')
    with pytest.raises(ToolError) as caught:
        await project.call("f")
    assert type(caught.value) is error_type
    assert str(caught.value).startswith(text)


async def test_the_traceback_of_an_exception_is_in_the_workers_log(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.write("tools/a.py", "@tool\ndef f() -> None:\n    raise ValueError('bad')\n")
    with caplog.at_level(logging.ERROR), pytest.raises(ToolError):
        await project.call("f")
    (record,) = [record for record in caplog.records if record.name == "opspawn.tools"]
    assert record.getMessage().startswith("f: [agentkit.tools.function_tool] Tool call failed\nTraceback")
    assert "    raise ValueError('bad')\nValueError: bad" in record.getMessage()


async def test_invalid_arguments_are_refused_as_in_the_worker(project: Project) -> None:
    project.write("tools/a.py", "@tool\ndef length(text: str) -> int:\n    return len(text)\n")
    for text in (7, "\ud800"):
        with pytest.raises(ToolArgumentsInvalid, match="The arguments of length are wrong, so nothing was done"):
            await project.call("length", text=text)


async def test_arguments_and_results_of_10_mb_are_passed_on(project: Project) -> None:
    project.write("tools/a.py", "@tool\ndef echo(text: str) -> str:\n    return text\n")
    text = "ü\n" * 5_000_000
    assert await project.call("echo", text=text) == text


async def test_a_result_that_is_too_large_is_named_as_such(project: Project) -> None:
    project.write("tools/a.py", "@tool\ndef f() -> str:\n    return 'x' * 70_000_000\n")
    with pytest.raises(ToolError, match="f did its work, but what it returned is too large: 70 MB, 64 MB at most"):
        await project.call("f")


async def test_output_is_in_the_workers_log_with_the_tools_name(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.write(
        "tools/a.py",
        """
        import logging, os, subprocess, sys

        print("imported")

        @tool
        def talk() -> None:
            print("printed")
            sys.stderr.write("to stderr\\n")
            os.write(1, b"raw \\xff\\n")
            subprocess.run(["echo", "of a subprocess"], check=True)
            logging.getLogger("shop").warning("logged")
            print("no line break", end="")

        @tool
        def be_silent() -> None:
            pass
        """,
    )
    with caplog.at_level(logging.INFO):
        await project.call("talk")
        await project.call("be_silent")
    messages = [message for message in caplog.messages if not message.startswith("tools:")]
    assert sorted(messages) == [
        "talk: [shop] logged",
        "talk: no line break",
        "talk: of a subprocess",
        "talk: printed",
        "talk: raw \N{REPLACEMENT CHARACTER}",
        "talk: to stderr",
    ]
    assert caplog.messages.count("tools: imported") == 1, "once, and not for each process"


@pytest.mark.parametrize("statement", ["print('x' * 100)", "logging.getLogger('shop').error('x' * 100)"])
async def test_a_flood_of_output_does_not_fill_the_workers_log(
    project: Project, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    project.write(
        "tools/a.py",
        f"""
        import logging

        @tool
        def f() -> str:
            for _ in range(20_000):
                {statement}
            return "done"
        """,
    )
    with caplog.at_level(logging.INFO):
        assert await project.call("f") == "done"
    assert 900 < len(caplog.messages) <= 1_010


WAITING = """
    import asyncio, os, subprocess, time
    from pathlib import Path

    @tool(effect="pure", timeout="300ms")
    async def wait(path: str) -> str:
        Path(path).write_text(str(os.getpid()))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            Path(path).write_text(Path(path).read_text() + " cancelled")
            raise

    @tool(effect="pure", timeout="300ms")
    async def block_loop(path: str) -> None:
        child = subprocess.Popen(["sleep", "60"])
        Path(path).write_text(f"{os.getpid()} {child.pid}")
        while True:
            pass

    @tool(timeout="300ms")
    def block_thread(path: str) -> None:
        child = subprocess.Popen(["sleep", "60"])
        Path(path).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(60)

    @tool(effect="pure", timeout="300ms")
    async def ignore_cancellation(path: str) -> None:
        Path(path).write_text(str(os.getpid()))
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

    @tool(effect="pure", timeout="300ms")
    async def wait_for_thread(path: str) -> None:
        Path(path).write_text(str(os.getpid()))
        await asyncio.to_thread(time.sleep, 60)

    @tool(effect="pure", timeout="300ms")
    async def stop_process(path: str) -> None:
        import signal
        Path(path).write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)

    @tool(timeout="300ms")
    async def finish_when_cancelled(path: str) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "sent in the last moment"
"""


@pytest.mark.parametrize(
    "name", ["block_loop", "block_thread", "ignore_cancellation", "wait_for_thread", "stop_process"]
)
async def test_a_call_that_times_out_is_stopped_with_what_it_has_started(
    project: Project, tmp_path: Path, name: str
) -> None:
    project.write("tools/a.py", WAITING)
    with pytest.raises(ToolError, match=f"{name} timed out after 0.3 s"):
        await project.call(name, path=str(tmp_path / "pids"))
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_until_ended(pids)


async def test_an_async_function_is_cancelled_and_its_process_serves_further_calls(
    project: Project, tmp_path: Path
) -> None:
    project.write("tools/a.py", WAITING)
    pids = []
    for _ in range(2):
        with pytest.raises(ToolError, match="wait timed out"):
            await project.call("wait", path=str(tmp_path / "log"))
        pid, state = (tmp_path / "log").read_text().split()
        pids.append(pid)
        assert state == "cancelled"
    assert pids[0] == pids[1]


async def test_a_plain_function_is_stopped_without_a_grace_period(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project.write("tools/a.py", WAITING)
    with caplog.at_level(logging.INFO), pytest.raises(ToolError, match=r"timed out after 0\.3 s\.$"):
        await project.call("block_thread", path=str(tmp_path / "pids"))
    assert "block_thread was cancelled: its process was ended, to stop what it had started" in caplog.messages


async def test_the_result_of_a_call_that_finishes_when_it_is_cancelled_is_kept(project: Project) -> None:
    project.write("tools/a.py", WAITING)
    assert await project.call("finish_when_cancelled", path="") == "sent in the last moment"


async def test_a_blocked_event_loop_is_named_in_the_log(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project.write("tools/a.py", WAITING)
    with caplog.at_level(logging.WARNING), pytest.raises(ToolError):
        await project.call("block_loop", path=str(tmp_path / "pids"))
    assert any("block_loop did not" in message and "event loop?" in message for message in caplog.messages)


async def test_a_cancelled_call_is_stopped(project: Project, tmp_path: Path) -> None:
    project.write(
        "tools/a.py",
        """
        import os, time
        from pathlib import Path

        @tool
        def wait(fifo: str) -> None:
            Path(fifo).write_text(str(os.getpid()))
            time.sleep(60)
        """,
    )
    os.mkfifo(tmp_path / "fifo")
    call = asyncio.create_task(project.call("wait", fifo=str(tmp_path / "fifo")))
    pid = int(await asyncio.wait_for(asyncio.to_thread((tmp_path / "fifo").read_text), 60))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    wait_until_ended([pid])
