"""``make dev`` in a terminal: Ctrl-C ends everything with exit code 0, and Ctrl-Z stops and continues it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.dev.ports import is_free
from tests.integration.cli.dev_process import DevProcess
from tests.process_states import children_of, still_running
from tests.terminal import Terminal, terminal_for

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        shutil.which("make") is None or not (BIN / "opspawn").exists() or not (ROOT / "Makefile").exists(),
        reason="needs make, and opspawn installed from the checkout",
    ),
]


@pytest.fixture
def dev(tmp_path: Path) -> DevProcess:
    """Return one that isn't started by itself, for its ports and directories."""
    dev = DevProcess(tmp_path / "work")
    dev.directory.mkdir()
    return dev


@pytest.fixture
def terminal(dev: DevProcess) -> Iterator[Terminal]:
    """Start ``sh`` with job control, as the window of a terminal does."""
    with terminal_for(["sh", "-i"], environment=dev.environment, cwd=ROOT) as terminal:
        yield terminal


def make_dev(dev: DevProcess) -> list[str]:
    """Return the command: for the environment of this Python, which isn't installed again."""
    ports = {"port": dev.api_port, "temporal-port": dev.temporal_port, "ui-port": dev.ui_port, "grpc-port": 0}
    options = [f"--{option}={port}" for option, port in ports.items()]
    arguments = " ".join([*options, f"--data-dir={dev.directory}/data", f"--app-dir={dev.directory}"])
    return ["make", f"BIN={BIN}", "--assume-old=.venv/.installed", "dev", f"ARGS={arguments}"]


def test_ctrl_c_exits_with_0_and_leaves_the_terminal_to_the_shell(dev: DevProcess, terminal: Terminal) -> None:
    terminal.type(f"{shlex.join(make_dev(dev))}; echo code=$?\n")
    terminal.wait_for("(Ready after)", timeout_s=60)

    terminal.type("\x03")

    assert terminal.wait_for(r"code=(\d+)") == "0"
    terminal.type("read line; echo got=$line\nhello\n")
    terminal.wait_for("(got=hello)")
    assert all(is_free(port) for port in (dev.api_port, dev.temporal_port, dev.ui_port))


def test_ctrl_z_stops_it_and_fg_continues_it(dev: DevProcess, terminal: Terminal) -> None:
    terminal.type(f"{shlex.join(make_dev(dev))}\n")
    terminal.wait_for("(Ready after)", timeout_s=60)

    job = terminal.foreground_group

    terminal.type("\x1a")
    terminal.wait_for("(Stopped|Suspended)")
    assert terminal.foreground_group != job
    terminal.type("fg; echo code=$?\n")
    deadline = time.monotonic() + 30
    while terminal.foreground_group != job:
        assert time.monotonic() < deadline, "the job didn't get the terminal back"
    terminal.type("\x03")

    assert terminal.wait_for(r"code=(\d+)") == "0"


def test_sigint_to_the_process_group_without_a_terminal_leaves_no_process(dev: DevProcess) -> None:
    """Make itself ends by the signal then, after opspawn has."""
    with subprocess.Popen(
        make_dev(dev), cwd=ROOT, env=dev.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as make:  # fmt: skip
        assert make.stdout is not None
        assert any("Ready after" in line for line in make.stdout)
        (opspawn,) = children_of(make.pid)
        children = children_of(opspawn)

        os.killpg(make.pid, signal.SIGINT)
        output = make.stdout.read()

    assert "Stopping. Tasks go on when opspawn dev is started again." in output
    assert make.returncode == -signal.SIGINT
    assert not still_running([opspawn, *children])
