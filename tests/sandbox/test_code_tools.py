"""The tools ``python`` and ``shell`` on a task's files: in each tier, with a directory that workers share."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from activities.storage.task_file_store import TaskFileStore
from agentkit.errors import ToolArgumentsInvalid, ToolError, WorkerBusy
from agentkit.interfaces import FileLimits, SandboxLimits, ToolContext
from agentkit.runtime.calls.tool_invocation import invoke_tool, tool_context
from agentkit.sandbox.local_sandbox import LocalSandbox
from agentkit.sandbox.scratch_space import ScratchSpace
from agentkit.tools.builtin.code_tools import CodeTool, code_tools


class TaskTools:
    """The tools of one worker, for one task."""

    def __init__(self, sandbox: LocalSandbox, data_dir: Path, limits: SandboxLimits = SandboxLimits()) -> None:  # noqa: B008
        self.files = TaskFileStore(data_dir, "default", FileLimits(total_bytes=20 * 2**20, count=100))
        self.python, self.shell = code_tools(sandbox, self.files, limits)
        self._calls = 0

    async def call(self, code: str, *, kind: str = "python", call_id: str | None = None) -> str:
        self._calls += 1
        tool = self.python if kind == "python" else self.shell
        arguments = {"code" if kind == "python" else "command": code}
        result = await invoke_tool(tool, arguments, tool_context("task", call_id or f"call-{self._calls}", 1))
        assert isinstance(result, str)
        return result

    async def listed(self) -> dict[str, bytes]:
        snapshot = await self.files.snapshot("task")
        return {file.path: await self.files.read("task", file) for file in snapshot.files}


@pytest.fixture
def tools(sandbox: LocalSandbox, tmp_path: Path) -> TaskTools:
    return TaskTools(sandbox, tmp_path)


async def test_a_result_has_the_tier_the_output_and_the_files(tools: TaskTools, sandbox: LocalSandbox) -> None:
    text = await tools.call("open('a.txt', 'w').write('hello')\nimport sys\nprint('warn', file=sys.stderr)\n6 * 7")
    first, *rest = text.splitlines()
    assert first.startswith("[exit code 0, ")
    assert first.endswith(f" s, sandbox: {sandbox.tier}]")
    assert rest == ["stdout:", "42", "stderr:", "warn", "files written: a.txt (5 bytes)"]


async def test_files_stay_for_later_calls_of_both_tools_on_any_worker(
    sandbox: LocalSandbox, space: ScratchSpace, tmp_path: Path
) -> None:
    first, second = TaskTools(sandbox, tmp_path), TaskTools(sandbox, tmp_path)
    await first.call("import os; os.mkdir('data'); open('data/n', 'w').write('41')")
    text = await second.call(
        "echo $(($(cat data/n) + 1)) | tee result; chmod +x result; rm data/n", kind="shell", call_id="x"
    )
    assert "stdout:\n42" in text
    assert "files deleted: data/n" in text
    assert await first.listed() == {"result": b"42\n"}
    may_change_modes = sandbox.tier == "bubblewrap" or os.geteuid() == 0
    assert str(may_change_modes) in await first.call("import os; os.access('result', os.X_OK)", call_id="y")
    assert [path for path in space.directory.iterdir() if path.is_dir()] == []


async def test_the_files_of_another_task_are_not_there(tools: TaskTools, sandbox: LocalSandbox) -> None:
    await tools.call("open('mine', 'w').write('x')")
    other = await invoke_tool(tools.python, {"code": "import os; os.listdir()"}, tool_context("other", "call-1", 1))
    assert "[]" in str(other)


async def test_an_error_keeps_what_was_written_before_it(tools: TaskTools) -> None:
    text = await tools.call("open('log', 'w').write('x')\n1 / 0")
    assert "exit code 1" in text
    assert "ZeroDivisionError: division by zero" in text
    assert await tools.listed() == {"log": b"x"}


async def test_a_call_that_is_cut_off_changes_no_file(sandbox: LocalSandbox, tmp_path: Path) -> None:
    tools = TaskTools(sandbox, tmp_path, SandboxLimits(wall_s=1.5))
    await tools.call("open('a', 'w').write('before')")
    with pytest.raises(ToolError, match=r"ended after 1\.5 s.*Files are as they were before it") as caught:
        await tools.call("print('so far', flush=True)\nopen('a', 'w').write('after')\nwhile True: pass")
    assert "so far" in str(caught.value)
    assert await tools.listed() == {"a": b"before"}


async def test_another_attempt_of_a_call_that_was_kept_does_not_run_again(tools: TaskTools) -> None:
    code = "f = open('count', 'a'); _ = f.write('x'); f.close()\nimport uuid; uuid.uuid4()"
    first = await tools.call(code, call_id="c")
    assert await tools.call(code, call_id="c") == first
    assert await tools.listed() == {"count": b"x"}
    assert await tools.call(code, call_id="d") != first
    assert await tools.listed() == {"count": b"xx"}


async def test_another_attempt_of_a_call_that_was_lost_starts_from_the_same_files(tools: TaskTools) -> None:
    await tools.call("open('n', 'w').write('1')")
    running = asyncio.create_task(tools.call("open('n', 'a').write('2')\nimport time; time.sleep(60)", call_id="c"))
    await asyncio.wait([running], timeout=1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await tools.call("open('n', 'a').write('3')", call_id="c")
    assert await tools.listed() == {"n": b"13"}


async def test_links_devices_and_strange_names_are_not_kept_and_named(tools: TaskTools) -> None:
    code = (
        "import os\nos.symlink('/etc/shadow', 'link')\nos.symlink('.', 'loop')\n"
        "open(b'bad\\xff', 'w').close()\nopen('new\\nline', 'w').close()\nopen('good', 'w').close()"
    )
    text = await tools.call(code)
    assert "link (a symbolic link)" in text
    assert "loop (a symbolic link)" in text
    assert "'bad\\udcff' (its name, or too deep)" in text
    assert set(await tools.listed()) == {"good"}


async def test_two_calls_at_once_keep_the_changes_of_both(tools: TaskTools) -> None:
    texts = await asyncio.gather(
        tools.call("open('a', 'w').write('1'); open('both', 'w').write('1')", call_id="c1"),
        tools.call("open('b', 'w').write('2'); open('both', 'w').write('2')", call_id="c2"),
    )
    assert set(await tools.listed()) == {"a", "b", "both"}
    assert len([text for text in texts if "changed by another call at the same time" in text]) <= 1


async def test_more_than_the_task_may_have_is_refused_and_nothing_is_kept(tools: TaskTools) -> None:
    with pytest.raises(ToolError, match="Nothing was kept"):
        await tools.call("for n in range(150): open(str(n), 'w').close()")
    with pytest.raises(ToolError, match="Nothing was kept"):
        await tools.call("open('sparse', 'wb').truncate(30 * 2**20)")
    assert await tools.listed() == {}


async def test_wrong_arguments_run_nothing(tools: TaskTools) -> None:
    context = tool_context("task", "c", 1)
    with pytest.raises(ToolArgumentsInvalid):
        await invoke_tool(tools.python, {"command": "ls"}, context)


async def test_output_is_cut_off_in_the_middle_and_says_so(tools: TaskTools) -> None:
    text = await tools.call("for n in range(50_000): print('line', n)")
    assert "line 0\n" in text
    assert "line 49999" in text
    assert "bytes left out here" in text
    assert len(text) < 30_000


async def test_calls_wait_for_a_slot_and_are_refused_when_there_is_none(
    sandbox: LocalSandbox, tools: TaskTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentkit.sandbox.local_sandbox.PREPARATION_TIMEOUT_S", 0.05)
    async with sandbox.workspace(), sandbox.workspace(), sandbox.workspace(), sandbox.workspace():
        with pytest.raises(WorkerBusy):
            await tools.call("1")
    assert "exit code 0" in await tools.call("1")


async def test_without_a_sandbox_the_model_is_told_why(space: ScratchSpace, tmp_path: Path) -> None:
    tools = TaskTools(LocalSandbox(None, "This kernel confines nothing.", space), tmp_path)
    with pytest.raises(ToolError, match=r"This kernel confines nothing\. Don't call python again"):
        await tools.call("1")


async def test_a_process_without_a_sandbox_has_the_same_specs(tools: TaskTools) -> None:
    (python, shell) = code_tools()
    assert isinstance(python, CodeTool)
    assert [python.spec, shell.spec] == [tools.python.spec, tools.shell.spec]
    assert python.spec.effect == "idempotent"
    assert python.sandbox_description is None
    context = ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1)
    with pytest.raises(ToolError, match="A worker can"):
        await invoke_tool(python, {"code": "1"}, context)
