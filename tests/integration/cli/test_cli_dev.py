"""``opspawn dev``: one command to a durable agent task, and nothing left behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import time

import pytest

from cli.dev.ports import is_free
from tests.integration.cli.dev_process import OPSPAWN, Dev, alive

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

SUM = 'call calculator {"expression": "6*7"}'


def until_ended(pids: list[int], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while left := alive(pids):
        assert time.monotonic() < deadline, f"left behind: {left}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["ctrl-c", "hangup"])
def test_a_task_is_answered_and_ending_it_leaves_nothing(dev: Dev, number: signal.Signals) -> None:
    dev.start()
    children = dev.children()

    ran = dev.opspawn("run", "assistant", SUM, "--follow")
    code, seconds = dev.end(number)

    assert ran.returncode == 0, ran.stderr
    assert "→ calculator" in ran.stdout
    assert "42" in ran.stdout.splitlines()[-1]
    assert code == 0
    assert seconds < 10
    assert len(children) == 4  # Temporal, worker, API and the guard
    assert not alive(list(children))
    assert all(is_free(port) for port in dev.ports)


def test_tasks_survive_a_restart(dev: Dev) -> None:
    dev.start()
    waiting = subprocess.Popen(
        [*OPSPAWN, "run", "assistant", "think 3000\nsay late", "--json", "--url", dev.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (tasks := dev.task("tasks", "--status", "running")["tasks"]):
        assert time.monotonic() < deadline
    dev.end(signal.SIGTERM)

    dev.start()

    said, _ = waiting.communicate(timeout=60)
    assert dev.task("show", tasks[0]["id"])["output"] == "late"
    assert tasks[0]["id"] in said


def test_a_worker_that_is_killed_is_started_again(dev: Dev) -> None:
    dev.start()

    subprocess.run(["kill", "-9", str(dev.child("-m worker"))], check=True)

    dev.until("worker was ended by SIGKILL; starting it again in 0.5 s")
    assert dev.task("run", "assistant", SUM)["status"] == "completed"


def test_a_temporal_that_is_killed_is_started_again_with_its_tasks(dev: Dev) -> None:
    dev.start()
    task = dev.task("run", "assistant", "say kept")

    subprocess.run(["kill", "-9", str(dev.child("start-dev"))], check=True)

    dev.until("temporal was ended by SIGKILL; starting it again")
    assert dev.task("run", "assistant", SUM)["status"] == "completed"
    assert dev.task("show", task["id"])["output"] == "kept"


def test_killing_it_for_good_leaves_nothing_and_it_can_be_started_again(dev: Dev) -> None:
    dev.start()
    children = list(dev.children())

    dev.end(signal.SIGKILL)

    until_ended(children)
    dev.start()


def test_a_temporal_that_answers_is_used_and_left_running(dev: Dev) -> None:
    dev.start()
    other = Dev(dev.directory / "other")
    other.ports[1] = dev.ports[1]
    try:
        other.start("--no-worker")

        assert f"127.0.0.1:{dev.ports[1]} (already running)" in other.output
        assert len(other.children()) == 2  # the API and the guard
        assert other.opspawn("run", "assistant", SUM).stdout.strip().endswith("42")
    finally:
        other.close()
    assert "ended" not in dev.output
    assert dev.opspawn("doctor").returncode == 0


def test_a_second_one_on_the_same_data_directory_is_refused(dev: Dev) -> None:
    dev.start()

    second = subprocess.run(dev.command(), cwd=dev.directory, capture_output=True, text=True, timeout=30, check=False)

    assert second.returncode == 2
    assert "already runs on" in second.stderr
    assert "--data-dir" in second.stderr


@pytest.mark.parametrize(
    ("position", "said"),
    [(0, "--port"), (1, "isn't Temporal. Stop it, or take another with --temporal-port"), (2, "--ui-port")],
    ids=["api", "temporal", "web ui"],
)
def test_a_port_in_use_is_named_with_its_option(dev: Dev, position: int, said: str) -> None:
    dev.directory.mkdir()
    with socket.create_server(("127.0.0.1", dev.ports[position])):
        ended = subprocess.run(
            dev.command(), cwd=dev.directory, capture_output=True, text=True, timeout=30, check=False
        )

    assert ended.returncode == 2
    assert f"Port {dev.ports[position]}" in ended.stderr
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_one_port_for_two_servers_is_refused(dev: Dev) -> None:
    dev.directory.mkdir()
    command = [*OPSPAWN, "dev", "--port", str(dev.ports[0]), "--temporal-port", str(dev.ports[0])]

    ended = subprocess.run(
        command, cwd=dev.directory, env=dev.environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 2
    assert "is asked for twice, by --port and --temporal-port" in ended.stderr


def test_an_address_without_a_port_is_refused(dev: Dev) -> None:
    dev.directory.mkdir()
    command = [*OPSPAWN, "dev", "--port", str(dev.ports[0])]
    environment = {**dev.environment, "TEMPORAL_ADDRESS": "localhost"}

    ended = subprocess.run(
        command, cwd=dev.directory, env=environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 2
    assert ended.stderr == "TEMPORAL_ADDRESS 'localhost': expected host:port, such as 127.0.0.1:7233\n"
