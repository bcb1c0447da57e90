"""Two approvals and one answer, entirely by the command line, with the worker killed between any two moves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.dev_process import OPSPAWN, DevProcess
from tests.terminal import terminal_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

TIMEOUT_S = 60.0
TOOL = """
from pathlib import Path
from agentkit.tools import tool

@tool(effect="irreversible")
def transfer(to: str, amount: int) -> str:
    with Path("transfers.txt").open("a") as file:
        file.write(f"{to} {amount}\\n")
    return f"{amount} to {to}"
"""
CLERK = """
model: demo:demo
tools: [transfer, ask_person]
policy:
  - {tool: transfer, then: ask, approvers: [finance]}
"""
INPUT = """call transfer {"to": "DE01", "amount": 700}
call transfer {"to": "DE02", "amount": 800}
call ask_person {"question": "What for?"}"""


@pytest.fixture(scope="module")
def clerks_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevProcess]:
    """Return an ``opspawn dev`` with a clerk that asks before each transfer."""
    dev = DevProcess(tmp_path_factory.mktemp("dev"))
    for name, text in {"tools/bank.py": TOOL, "agents/clerk.yaml": CLERK}.items():
        path = dev.directory / name
        path.parent.mkdir()
        path.write_text(text)
    dev.start()
    yield dev
    dev.close()


@pytest.fixture
def transfers(clerks_dev: DevProcess) -> Path:
    """Return the file in which the tool notes each transfer."""
    path = clerks_dev.directory / "transfers.txt"
    path.write_text("")
    return path


def kill_worker(dev: DevProcess) -> None:
    """Kill the worker, unless it is down since the last kill; ``opspawn dev`` starts another one."""
    for pid, command in dev.children().items():
        if "--module worker" in command:
            os.kill(pid, signal.SIGKILL)


def wait_for_request(dev: DevProcess, request_id: str) -> dict[str, Any]:
    """Wait until the inbox has a request of this id, and return it."""
    end = time.monotonic() + TIMEOUT_S
    while True:
        listed = dev.json_of("inbox", "--agent", "clerk")["input_requests"]
        if found := [request for request in listed if request["id"] == request_id]:
            request: dict[str, Any] = found[0]
            return request
        assert time.monotonic() < end, listed


def decide(dev: DevProcess, *arguments: str) -> str:
    """Run a command that answers, and return what it printed."""
    result = dev.opspawn(*arguments, "--as", "ada", "--group", "finance")
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_commands_approve_deny_and_answer_while_the_worker_is_killed_between_them(
    clerks_dev: DevProcess, transfers: Path, tmp_path: Path
) -> None:
    dev = clerks_dev
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/800/80/ "$1"\n')
    editor.chmod(0o755)
    with terminal_for([*OPSPAWN, "run", "clerk", INPUT], environment=dev.environment, cwd=dev.directory) as running:
        first = wait_for_request(dev, "input_1")
        assert (first["tool"], first["arguments"]["amount"]) == ("transfer", 700)
        task_id = str(first["task_id"])
        kill_worker(dev)

        decide(dev, "approve", task_id)
        kill_worker(dev)

        assert wait_for_request(dev, "input_2")["arguments"]["amount"] == 800
        edited = dev.opspawn(
            *("approve", task_id, "input_2", "--edit", "--as", "ada", "--group", "finance"),
            environment={**dev.environment, "VISUAL": str(editor)},
        )
        assert edited.returncode == 0, edited.stderr

        assert wait_for_request(dev, "input_3")["arguments"]["amount"] == 80  # the policy asks about other arguments
        refused = dev.opspawn("approve", task_id, "--as", "eve")
        assert "finance" in refused.stderr or "stored" in refused.stderr
        decide(dev, "approve", task_id, "input_3")
        kill_worker(dev)

        assert wait_for_request(dev, "input_4")["kind"] == "question"
        decide(dev, "answer", task_id, "input_4", "The invoice")

        running.wait_for("The invoice")
        assert running.wait_for_end() == 0

    assert transfers.read_text().splitlines() == ["DE01 700", "DE02 80"]
    again = dev.opspawn("approve", task_id, "input_1")
    assert again.returncode == 2


def test_run_asks_on_its_terminal_and_goes_on_after_a_kill_of_the_worker(
    clerks_dev: DevProcess, transfers: Path
) -> None:
    dev = clerks_dev
    command = [*OPSPAWN, "run", "clerk", INPUT, "--follow", "--as", "ada", "--group", "finance"]
    with terminal_for(command, environment={**dev.environment, "TERM": "dumb"}, cwd=dev.directory) as terminal:
        terminal.wait_for('"amount": 700', timeout_s=TIMEOUT_S)
        terminal.wait_for("kip: ", timeout_s=TIMEOUT_S)
        kill_worker(dev)
        terminal.type("y\n")

        terminal.wait_for('"amount": 800', timeout_s=TIMEOUT_S)
        terminal.wait_for("kip: ", timeout_s=TIMEOUT_S)
        terminal.type("n too much\n")

        terminal.wait_for(r"\? input_3", timeout_s=TIMEOUT_S)
        terminal.wait_for("Your answer", timeout_s=TIMEOUT_S)
        terminal.type("The invoice\n")

        terminal.wait_for("completed", timeout_s=TIMEOUT_S)
        assert terminal.wait_for_end() == 0

    assert transfers.read_text().splitlines() == ["DE01 700"]
    assert "too much" in terminal.output


def test_a_paused_task_gets_a_message_and_is_forked(clerks_dev: DevProcess, transfers: Path) -> None:
    dev = clerks_dev
    command = [*OPSPAWN, "run", "clerk", INPUT.partition("\n")[0], "--tag", "steered"]
    with terminal_for(command, environment=dev.environment, cwd=dev.directory) as running:
        task_id = str(wait_for_request(dev, "input_1")["task_id"])
        kill_worker(dev)
        for arguments in (("pause", task_id), ("send", task_id, "Use euros, please."), ("resume", task_id)):
            result = dev.opspawn(*arguments)
            assert result.returncode == 0, result.stderr
        decide(dev, "approve", task_id)
        assert running.wait_for_end() == 0

    assert "Use euros, please." in dev.opspawn("show", task_id).stdout
    forked = dev.opspawn("fork", task_id, "--from-step", "0", "Now what?", "--follow")
    assert forked.returncode == 0, forked.stderr
    assert forked.stdout.splitlines()[-2:] == [  # the demo model's echo of what it was told
        '- transfer {"to": "DE01", "amount": 700}: done. Result: 700 to DE01',
        "Now what?",
    ]
    assert transfers.read_text().splitlines() == ["DE01 700"]
