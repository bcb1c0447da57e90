"""Two apps on one machine never take each other's tasks: the second one that would share a task queue doesn't start."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.dev_process import OPSPAWN, DevProcess

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

AGENT = "name: {name}\nmodel: demo:demo\ntools: [{name}]\n"
TOOL = """
from agentkit.tools import tool


@tool(effect="pure")
def {name}() -> str:
    \"\"\"Return the name of this app.\"\"\"
    return "tool of {name}"
"""


def make_app(directory: Path, name: str) -> Path:
    for folder, file, text in (("agents", f"{name}.yaml", AGENT), ("tools", f"{name}.py", TOOL)):
        (directory / folder).mkdir(parents=True)
        (directory / folder / file).write_text(text.format(name=name))
    return directory


def output_of(dev: DevProcess, agent: str) -> str:
    return str(dev.json_of("run", agent, f"call {agent} {{}}")["output"])


@pytest.fixture
def red(tmp_path: Path) -> Iterator[DevProcess]:
    """Return a running ``opspawn dev`` of the app ``red``."""
    dev = DevProcess(make_app(tmp_path / "red", "red"))
    dev.start()
    yield dev
    dev.close()


@pytest.fixture
def blue(tmp_path: Path, red: DevProcess) -> Iterator[DevProcess]:
    """Return one of the app ``blue`` on the same Temporal, which the test starts."""
    dev = DevProcess(make_app(tmp_path / "blue", "blue"), temporal_port=red.temporal_port)
    yield dev
    dev.close()


def refusal(dev: DevProcess, command: list[str]) -> str:
    result = subprocess.run(
        command, cwd=dev.directory, env=dev.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2, result.stderr
    return result.stderr


@pytest.mark.parametrize("cure", [0, 1], ids=["a task queue of its own", "a Temporal of its own"])
def test_a_second_app_is_refused_with_commands_that_start_it(red: DevProcess, blue: DevProcess, cure: int) -> None:
    message = refusal(blue, blue.command())

    commands = [line.strip() for line in message.splitlines() if line.startswith("  ")]
    assert "Task queue 'opspawn' is in use by the app red-" in message
    assert "OPSPAWN_TASK_QUEUE=blue " in commands[0]
    assert f"--temporal-port {red.temporal_port}" not in commands[1]

    blue.start_command(["sh", "-c", f"exec env {commands[cure]}"])

    assert "tool of blue" in output_of(blue, "blue")
    assert "tool of red" in output_of(red, "red")


def test_an_api_of_another_app_is_refused_too(red: DevProcess, blue: DevProcess) -> None:
    assert "is in use by the app red-" in refusal(blue, blue.command("--no-worker"))


def test_a_worker_of_another_app_is_refused(red: DevProcess, blue: DevProcess) -> None:
    message = refusal(blue, [*OPSPAWN, "worker"])

    assert "is in use by the app red-" in message
    assert "OPSPAWN_TASK_QUEUE=blue " in message
    module = refusal(blue, [*OPSPAWN, "--module", "worker"])
    assert "OPSPAWN_TASK_QUEUE" in module


def test_an_app_has_any_number_of_workers_and_the_doctor_names_their_app(red: DevProcess) -> None:
    with subprocess.Popen(
        [*OPSPAWN, "worker", "--data-dir", "data"],
        cwd=red.directory,
        env=red.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as second:
        assert second.stderr is not None
        next(line for line in second.stderr if "Working on task queue opspawn" in line)

        result = red.opspawn("doctor")

        second.terminate()
    workers = result.stdout.partition("Workers: 2 on task queue 'opspawn'")[2].partition("\n✓")[0]
    assert workers.count("/red-") == 2
    assert second.returncode == 0


def test_the_command_that_dev_prints_starts_a_worker(tmp_path: Path) -> None:
    dev = DevProcess(make_app(tmp_path / "red", "red"))
    try:
        dev.start("--no-worker")
        command = next(line.partition("start one with: ")[2] for line in dev.output.splitlines() if "start one" in line)
        with subprocess.Popen(
            ["sh", "-c", f"exec env {command}"], cwd=dev.directory, stderr=subprocess.PIPE, text=True
        ) as worker:
            assert worker.stderr is not None
            next(line for line in worker.stderr if "Working on task queue opspawn" in line)

            assert "tool of red" in output_of(dev, "red")

            worker.terminate()
    finally:
        dev.close()


def test_a_restart_after_a_kill_is_never_refused(red: DevProcess) -> None:
    red.end(signal.SIGKILL)

    red.start()

    assert "tool of red" in output_of(red, "red")
