"""``opspawn doctor`` shows what runs, and names what is missing and its remedy."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.cli.dev_process import DevProcess
from tests.reserved_ports import refusing_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

TOOL = '''
from agentkit.tools import tool


@tool(effect="pure")
def {name}(x: int) -> int:
    """Return x."""
    return x
'''


def test_nothing_is_missing_while_everything_runs(running_dev: DevProcess) -> None:
    result = running_dev.opspawn("doctor")

    assert result.returncode == 0, result.stdout
    assert f"Temporal: responds at 127.0.0.1:{running_dev.temporal_port}" in result.stdout
    assert "Search attributes: registered" in result.stdout
    assert "Workers: 1 on task queue 'opspawn'" in result.stdout
    assert "has loaded ask_person, calculator, current_time, forget, http_fetch" in result.stdout
    assert f"API: ready at {running_dev.url}" in result.stdout
    assert f"Running app: {running_dev.directory} (" in result.stdout
    assert "Default model: demo:demo (the running API has no key)" in result.stdout
    assert "✗" not in result.stdout


def test_without_a_key_the_demo_model_is_explained_first_on_stderr(running_dev: DevProcess) -> None:
    result = running_dev.opspawn("doctor")

    assert result.stderr.startswith("No key is set, so this is the demo model")
    assert "demo model" not in result.stdout


def test_a_shell_with_other_settings_sees_the_running_system(running_dev: DevProcess, tmp_path: Path) -> None:
    """No setting but the API's address leads to it: not Temporal's address, not the directories."""
    environment = {**running_dev.environment, "TEMPORAL_ADDRESS": "127.0.0.1:1", "OPSPAWN_TASK_QUEUE": "unused"}
    environment["OPENAI_API_KEY"] = "only this shell has it"

    result = running_dev.opspawn("doctor", cwd=tmp_path, environment=environment)

    assert f"Temporal: responds at 127.0.0.1:{running_dev.temporal_port}" in result.stdout
    assert "Workers: 1 on task queue 'opspawn'" in result.stdout
    assert f"Running app: {running_dev.directory} (" in result.stdout
    assert "Default model: demo:demo (the running API has no key)" in result.stdout


def test_another_app_directory_is_not_the_running_one(running_dev: DevProcess, tmp_path: Path) -> None:
    result = running_dev.opspawn("doctor", "--app-dir", str(tmp_path))

    assert result.returncode == 1
    assert f"App directory: {tmp_path}" in result.stdout
    assert (
        f"port {running_dev.api_port} is taken by Opspawn's API of the app {running_dev.directory}, not of {tmp_path}"
        in result.stdout
    )


def test_a_killed_worker_is_shown_as_dead_beside_the_new_one(dev: DevProcess) -> None:
    dev.start()
    worker = dev.child("--module worker")
    subprocess.run(["kill", "-9", str(worker)], check=True)
    dev.wait_for_output("starting it again")
    assert dev.json_of("run", "assistant", "say again")["status"] == "completed"

    result = dev.opspawn("doctor")

    assert result.returncode == 0, result.stdout
    assert "Workers: 1 on task queue 'opspawn'" in result.stdout
    assert f"Worker {worker}@" in result.stdout
    assert "its process has ended" in result.stdout


def test_tools_that_the_worker_has_not_loaded_are_named(dev: DevProcess) -> None:
    (dev.directory / "tools").mkdir(parents=True)
    (dev.directory / "tools" / "old.py").write_text(TOOL.format(name="old"))
    dev.start("--no-reload")
    (dev.directory / "tools" / "new.py").write_text(TOOL.format(name="new"))
    (dev.directory / "tools" / "broken.py").write_text("def (\n")

    result = dev.opspawn("doctor")

    assert result.returncode == 1
    assert "has not loaded new (in the tool files)" in result.stdout
    assert "broken.py:1: SyntaxError" in result.stdout
    assert "→ " in result.stdout


def test_without_a_worker_the_command_that_starts_one_works_when_pasted(dev: DevProcess) -> None:
    dev.start("--no-worker")

    missing = dev.opspawn("doctor")

    assert missing.returncode == 1
    lines = missing.stdout.splitlines()
    problem = next(index for index, line in enumerate(lines) if "none polls task queue 'opspawn'" in line)
    command = lines[problem + 1].removeprefix("    → ")
    with subprocess.Popen(
        ["sh", "-c", command], env=dev.environment, cwd="/", stderr=subprocess.DEVNULL, start_new_session=True
    ) as worker:
        try:
            assert dev.json_of("run", "assistant", "say started")["output"] == "started"
            assert dev.opspawn("doctor").returncode == 0
        finally:
            os.killpg(worker.pid, signal.SIGTERM)


def test_what_is_missing_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "typo.yaml").write_text("name: typo\nmodle: demo\n")
    (tmp_path / "file").touch()
    (tmp_path / "opspawn.toml").write_text('data_dir = "file/data"\n')

    with refusing_port() as api_port, refusing_port() as temporal_port:
        dev = DevProcess(tmp_path, api_port=api_port, temporal_port=temporal_port)
        result = dev.opspawn("doctor")

    assert result.returncode == 3
    assert "typo.yaml" in result.stdout
    assert "modle" in result.stdout
    assert "Data directory: " in result.stdout
    assert "is a file: set OPSPAWN_DATA_DIR" in result.stdout
    assert f"127.0.0.1:{temporal_port}" in result.stdout
    assert f"doesn't respond at {dev.url}" in result.stdout
    assert re.search(r"→ \S*opspawn dev", result.stdout)
