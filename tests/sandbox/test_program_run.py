"""How programs run in a sandbox, and what their results have: in each tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.errors import SandboxUnavailable
from agentkit.interfaces import SandboxedProgram, SandboxLimits
from agentkit.sandbox.confinement import Confinement
from agentkit.sandbox.local_sandbox import LocalSandbox
from agentkit.sandbox.scratch_space import ScratchSpace
from tests.sandbox.conftest import Run


async def test_the_value_of_the_last_line_is_shown(run: Run) -> None:
    result = await run("x = 20\nprint('sum')\nx + 22")
    assert (result.exit_code, result.stdout.head, result.stderr.head) == (0, "sum\n42\n", "")


async def test_an_error_shows_the_line_of_the_code(run: Run) -> None:
    result = await run("def f():\n    return 1 / 0\n\nf()")
    assert result.exit_code == 1
    assert result.stderr.head.startswith('Traceback (most recent call last):\n  File "<code>", line 4, in <module>\n')
    assert "return 1 / 0" in result.stderr.head
    assert "inside" not in result.stderr.head


async def test_a_syntax_error_is_shown_as_such(run: Run) -> None:
    result = await run("print('a'\nx = ")
    assert result.exit_code == 1
    assert "SyntaxError" in result.stderr.head


@pytest.mark.parametrize(("kind", "code"), [("python", "import sys; sys.exit(7)"), ("shell", "exit 7")])
async def test_the_exit_code_is_the_programs(run: Run, kind: str, code: str) -> None:
    assert (await run(code, kind=kind)).exit_code == 7


async def test_a_signal_is_an_exit_code_above_128(run: Run) -> None:
    assert (await run("import os; os.kill(os.getpid(), 11)")).exit_code == 128 + 11


async def test_the_code_is_the_main_module(run: Run) -> None:
    code = "import pickle, sys\nclass A: pass\npickle.loads(pickle.dumps(A()))\nprint(__name__, sys.argv)"
    assert (await run(code)).stdout.head == "__main__ ['']\n"


async def test_modules_in_the_scratch_directory_and_installed_packages_can_be_imported(run: Run) -> None:
    result = await run("import mine, pydantic; print(mine.X)", with_files={"mine.py": "X = 5"})
    assert (result.stdout.head, result.stderr.head) == ("5\n", "")


async def test_files_are_read_and_written_in_the_current_directory(run: Run) -> None:
    read: list[str] = []
    await run(
        "open('out.txt', 'w').write(open('in.txt').read() * 2)",
        with_files={"in.txt": "ab"},
        then=lambda directory: read.append((directory / "out.txt").read_text()),
    )
    assert read == ["abab"]


async def test_a_shell_has_pipes_temporary_files_and_background_processes(run: Run) -> None:
    code = (
        "sleep 0.01 & printf 'b\\na\\n' | sort > $(mktemp -p .)\n"
        "wait; cat tmp.*; cat <(echo done); python3 -c 'print(1)'"
    )
    result = await run(code, kind="shell")
    assert (result.stdout.head, result.stderr.head) == ("a\nb\ndone\n1\n", "")


async def test_output_that_is_not_utf_8_is_text_all_the_same(run: Run) -> None:
    assert (await run("import sys; _ = sys.stdout.buffer.write(b'a\\xffb')")).stdout.head == "a\ufffdb"


async def test_a_subprocess_of_python_runs(run: Run) -> None:
    code = "import subprocess; print(subprocess.run(['ls', '/usr'], capture_output=True).returncode)"
    assert (await run(code)).stdout.head == "0\n"


async def test_a_mebibyte_of_code_runs(run: Run) -> None:
    assert (await run("x = 1\n" * 170_000 + "print(x)")).stdout.head == "1\n"


async def test_nothing_is_run_when_it_can_not_be_confined(confinement: Confinement, space: ScratchSpace) -> None:
    later_kernel = Confinement(confinement.tier, 99, confinement.bwrap, keeps_reading=confinement.keeps_reading)
    sandbox = LocalSandbox(later_kernel, "", space)
    seen: list[Path] = []
    async with sandbox.workspace() as workspace:
        with pytest.raises(SandboxUnavailable, match="was not run: OSError: Landlock has ABI"):
            await workspace.run(SandboxedProgram(kind="shell", code="touch ran"), SandboxLimits())
        seen += workspace.directory.iterdir()
    assert seen == []


async def test_a_command_that_is_missing_is_reported(space: ScratchSpace) -> None:
    sandbox = LocalSandbox(Confinement("bubblewrap", 0, "/nowhere/bwrap"), "", space)
    async with sandbox.workspace() as workspace:
        with pytest.raises(SandboxUnavailable, match="/nowhere/bwrap can't be started"):
            await workspace.run(SandboxedProgram(kind="shell", code=":"), SandboxLimits())


async def test_without_a_confinement_nothing_is_run(space: ScratchSpace) -> None:
    sandbox = LocalSandbox(None, "no kernel", space)
    with pytest.raises(SandboxUnavailable, match="no kernel"):
        async with sandbox.workspace():
            pass
