"""``opspawn dev`` runs tasks, survives the end of its parts, and leaves no process behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import time

import pytest

from cli.dev.ports import is_free
from tests.integration.cli.dev_process import OPSPAWN, DevProcess
from tests.process_states import still_running, wait_until_ended

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

SUM = 'call calculator {"expression": "6*7"}'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["ctrl-c", "hangup"])
def test_a_task_completes_and_no_process_or_port_is_left_afterwards(dev: DevProcess, number: signal.Signals) -> None:
    dev.start()
    children = dev.children()

    result = dev.opspawn("run", "assistant", SUM, "--follow")
    code, seconds = dev.end(number)

    assert result.returncode == 0, result.stderr
    assert "→ calculator" in result.stdout
    assert "42" in result.stdout.splitlines()[-1]
    assert code == 0
    assert seconds < 20
    assert len(children) == 4  # Temporal, worker, API and the guard
    assert not still_running(list(children))
    assert all(is_free(port) for port in (dev.api_port, dev.temporal_port, dev.ui_port, dev.grpc_port))


def test_tasks_survive_a_restart(dev: DevProcess) -> None:
    dev.start()
    waiting = subprocess.Popen(
        [*OPSPAWN, "run", "assistant", "think 9000\nsay late", "--json", "--url", dev.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (tasks := dev.json_of("tasks", "--status", "running")["tasks"]):
        assert time.monotonic() < deadline
    dev.end(signal.SIGTERM)

    dev.start()

    output, _ = waiting.communicate(timeout=60)
    assert dev.json_of("show", tasks[0]["id"])["output"] == "late"
    assert tasks[0]["id"] in output


def test_a_killed_worker_is_restarted(dev: DevProcess) -> None:
    dev.start()

    subprocess.run(["kill", "-9", str(dev.child("--module worker"))], check=True)

    dev.wait_for_output("worker was ended by SIGKILL; starting it again in 0.5 s")
    assert dev.json_of("run", "assistant", SUM)["status"] == "completed"


def test_a_killed_temporal_is_restarted_with_its_tasks(dev: DevProcess) -> None:
    dev.start()
    task = dev.json_of("run", "assistant", "say kept")

    subprocess.run(["kill", "-9", str(dev.child("start-dev"))], check=True)

    dev.wait_for_output("temporal was ended by SIGKILL; starting it again")
    assert dev.json_of("run", "assistant", SUM)["status"] == "completed"
    assert dev.json_of("show", task["id"])["output"] == "kept"


def test_sigkill_leaves_no_process_behind_and_it_can_be_started_again(dev: DevProcess) -> None:
    dev.start()
    children = list(dev.children())

    dev.end(signal.SIGKILL)

    wait_until_ended(children)
    dev.start()


def test_a_running_temporal_is_used_and_left_running(dev: DevProcess) -> None:
    dev.start()
    other = DevProcess(dev.directory / "other")
    other.temporal_port = dev.temporal_port
    try:
        other.start("--no-worker", "--app-dir", str(dev.directory))

        assert f"127.0.0.1:{dev.temporal_port} (already running)" in other.output
        assert "unknown; name it by OPSPAWN_TEMPORAL_UI_URL" in other.output  # not at this one's port
        assert len(other.children()) == 2  # the API and the guard
        assert other.opspawn("run", "assistant", SUM).stdout.strip().endswith("42")
    finally:
        other.close()
    assert "ended" not in dev.output
    assert dev.opspawn("doctor").returncode == 0


def test_a_second_one_on_the_same_data_directory_is_refused(dev: DevProcess) -> None:
    dev.start()

    second = subprocess.run(dev.command(), cwd=dev.directory, capture_output=True, text=True, timeout=30, check=False)

    assert second.returncode == 2
    assert "already runs on" in second.stderr
    assert "--data-dir" in second.stderr


@pytest.mark.parametrize(
    ("server", "option"),
    [("api", "--port"), ("grpc", "--grpc-port"), ("temporal", "--temporal-port"), ("ui", "--ui-port")],
    ids=["api", "grpc", "temporal", "web ui"],
)
def test_a_port_in_use_is_named_with_its_option(dev: DevProcess, server: str, option: str) -> None:
    dev.directory.mkdir()
    port = getattr(dev, f"{server}_port")
    with socket.create_server(("127.0.0.1", port)):
        result = subprocess.run(
            dev.command(), cwd=dev.directory, capture_output=True, text=True, timeout=30, check=False
        )

    assert result.returncode == 2
    assert f"Port {port}" in result.stderr
    assert option in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_one_port_for_two_servers_is_refused(dev: DevProcess) -> None:
    dev.directory.mkdir()
    command = [*OPSPAWN, "dev", "--port", str(dev.api_port), "--temporal-port", str(dev.api_port)]

    result = subprocess.run(
        command, cwd=dev.directory, env=dev.environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert result.returncode == 2
    assert "is asked for twice, by --port and --temporal-port" in result.stderr


def test_an_address_without_a_port_is_refused(dev: DevProcess) -> None:
    dev.directory.mkdir()
    command = [*OPSPAWN, "dev", "--port", str(dev.api_port)]
    environment = {**dev.environment, "TEMPORAL_ADDRESS": "localhost"}

    result = subprocess.run(
        command, cwd=dev.directory, env=environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert result.returncode == 2
    assert result.stderr == "TEMPORAL_ADDRESS 'localhost': expected host:port, such as 127.0.0.1:7233\n"


def test_the_demo_model_is_explained_before_the_addresses_and_a_misspelt_variable_once(
    dev: DevProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSPAWN_PROT", "1")
    dev.start()
    dev.end()

    assert dev.output.count("Unknown variable OPSPAWN_PROT is ignored. Did you mean OPSPAWN_PORT?") == 1
    notice, ready = dev.output.index("No key is set, so this is the demo model"), dev.output.index("Ready after")
    assert notice < ready
    assert "\n  export OPENAI_API_KEY=...\n" in dev.output[notice:ready]


def test_the_data_directory_and_its_files_are_private(running_dev: DevProcess) -> None:
    data_dir = running_dev.directory / "data"
    assert data_dir.stat().st_mode & 0o777 == 0o700
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    assert "temporal.db" in [path.name for path in files]
    assert [path.name for path in files if path.stat().st_mode & 0o077] == []


def test_the_app_that_has_the_port_is_named(dev: DevProcess) -> None:
    dev.start("--app-dir", str(dev.directory))
    other = DevProcess(dev.directory / "other", api_port=dev.api_port)
    other.directory.mkdir()

    result = subprocess.run(
        other.command(),
        cwd=other.directory,
        env=other.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert result.returncode == 2
    assert f"Port {dev.api_port} (API) is in use by Opspawn's API of the app {dev.directory}. Stop it" in result.stderr
