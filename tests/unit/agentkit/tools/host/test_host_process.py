"""What a project's code finds in its processes: its own modules and agentkit, and nothing else of ours."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.agentkit.tools.host.conftest import Project

OURS = ("activities", "api", "cli", "worker", "workflows", "tests", "benchmarks")


async def test_modules_of_the_project_are_found_without_pythonpath(project: Project) -> None:
    project.write("mylib.py", "NAME = 'mylib'")
    project.write("api/__init__.py", "NAME = 'api'")
    project.write("cli.py", "NAME = 'cli'")
    project.write("workflows/__init__.py", "NAME = 'workflows'")
    project.write("worker.py", "NAME = 'worker'")
    project.write("activities/prices.py", "NAME = 'activities.prices'")
    project.write(
        "tools/a.py",
        """
        import activities.prices, api, cli, mylib, worker, workflows

        @tool
        def names() -> list[str]:
            return [module.NAME for module in (activities.prices, api, cli, mylib, worker, workflows)]
        """,
    )
    assert await project.call("names") == ["activities.prices", "api", "cli", "mylib", "worker", "workflows"]


@pytest.mark.parametrize("name", OURS)
async def test_of_ours_only_agentkit_is_found(project: Project, name: str) -> None:
    project.write(
        "tools/a.py",
        f"""
        import agentkit.config.durations

        @tool
        def find() -> str:
            try:
                import {name}
            except ModuleNotFoundError as error:
                return str(error)
            return str({name}.__path__)
        """,
    )
    assert await project.call("find") == f"No module named '{name}'"


async def test_the_working_directory_and_the_environment_are_the_workers(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAREHOUSE", "north")
    project.write(
        "tools/a.py",
        """
        import os, sys

        @tool
        def where() -> list[str]:
            return [os.getcwd(), os.environ["WAREHOUSE"], sys.stdin.read()]
        """,
    )
    assert await project.call("where") == [str(tmp_path), "north", ""]


async def test_a_tool_may_use_processes_of_its_own(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.write("work.py", "def double(number): return 2 * number")
    project.write(
        "tools/a.py",
        """
        import asyncio, logging, multiprocessing, subprocess, sys, time
        from concurrent.futures import ProcessPoolExecutor
        import work

        @tool
        def spawn() -> list[int]:
            with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
                return list(pool.map(work.double, [1, 2]))

        @tool
        def fork() -> int:
            process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
            process.start()
            process.terminate()
            process.join()
            return process.exitcode

        @tool
        def log_in_fork() -> None:
            error = multiprocessing.get_context("fork").Process(target=logging.getLogger().error, args=("logged",))
            error.start()
            error.join()

        @tool
        async def run() -> str:
            process = await asyncio.create_subprocess_exec("echo", "hello", stdout=-1)
            output, _ = await process.communicate()
            return output.decode()
        """,
    )
    assert await project.call("spawn") == [2, 4]
    assert await project.call("fork") == -15
    assert await project.call("run") == "hello\n"
    with caplog.at_level(logging.INFO):
        await project.call("log_in_fork")
    assert "log_in_fork: logged" in caplog.messages


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has it")
async def test_when_memory_runs_out_the_kernel_ends_a_host_and_not_the_worker(project: Project) -> None:
    project.write(
        "tools/a.py",
        """
        from pathlib import Path

        @tool
        def score() -> int:
            return int(Path("/proc/self/oom_score_adj").read_text())
        """,
    )
    score = await project.call("score")
    assert isinstance(score, int)
    assert score > int(Path("/proc/self/oom_score_adj").read_text())  # noqa: ASYNC240  # it is no real file


def test_a_worker_that_finds_agentkit_beside_its_script_needs_no_installation(project: Project) -> None:
    root = Path(__file__).parents[5]
    project.write("tools/a.py", "@tool\ndef hello() -> str:\n    return 'hello'\n")
    code = (
        "import sys; sys.path[:] = [entry for entry in sys.path if entry != sys.argv[1]] + [sys.argv[1]]\n"
        "from pathlib import Path\n"
        "from agentkit.tools.host.project_description import describe_project\n"
        "print(describe_project(Path(sys.argv[2])).importable)\n"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", code, str(root), str(project.directory)],
        cwd=os.sep,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "['a.py']\n"
