"""A conversation on a terminal, left while a turn runs and resumed after ``opspawn dev`` was started again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentkit.client import OpspawnClient
from tests.integration.cli.dev_process import OPSPAWN, DevProcess
from tests.terminal import Terminal, terminal_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

TIMEOUT_S = 60.0
TOOLS = """
import asyncio
from pathlib import Path
from agentkit.tools import tool

@tool(effect="irreversible")
def transfer(to: str, amount: int) -> str:
    with Path("transfers.txt").open("a") as file:
        file.write(f"{to} {amount}\\n")
    return f"{amount} to {to}"

@tool(effect="pure", timeout=120)
async def gate() -> str:
    while not Path("open").exists():
        await asyncio.sleep(0.05)
    return "the gate is open"
"""
CLERK = """
model: demo:demo
tools: [transfer, gate]
"""


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[DevProcess]:
    """Return an ``opspawn dev`` with a clerk that asks before each transfer."""
    dev = DevProcess(tmp_path / "dev")
    for name, text in {"tools/bank.py": TOOLS, "agents/clerk.yaml": CLERK}.items():
        path = dev.directory / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    dev.start()
    yield dev
    dev.close()


@contextmanager
def chat(dev: DevProcess, *options: str) -> Iterator[Terminal]:
    """Chat on a terminal; the chat is ended by Ctrl-D unless it has ended."""
    command = [*OPSPAWN, "chat", *options]
    with terminal_for(command, environment={**dev.environment, "TERM": "dumb"}, cwd=dev.directory) as terminal:
        yield terminal


async def test_a_conversation_is_left_while_a_turn_runs_and_resumed_after_a_restart(dev: DevProcess) -> None:
    with chat(dev, "clerk") as terminal:
        terminal.wait_for(r"\n> $", timeout_s=TIMEOUT_S)
        terminal.type('call transfer {"to": "DE01", "amount": 700}\n')
        conversation_id = terminal.wait_for(r"(conversation-\w+)", timeout_s=TIMEOUT_S)
        terminal.wait_for('"amount": 700', timeout_s=TIMEOUT_S)
        terminal.wait_for("kip: ", timeout_s=TIMEOUT_S)
        terminal.type("y\n")
        terminal.wait_for("← transfer 700 to DE01", timeout_s=TIMEOUT_S)
        terminal.wait_for(r"\n> $", timeout_s=TIMEOUT_S)

        terminal.type("call gate {}\n")
        terminal.wait_for("→ gate", timeout_s=TIMEOUT_S)
        terminal.type("\x03")
        terminal.wait_for(r"\n\? $")
        terminal.type("/quit\n")
        assert terminal.wait_for_end() == 0

    assert dev.end()[0] == 0
    dev.start()
    with chat(dev, "clerk", "--resume") as terminal:
        terminal.wait_for(conversation_id, timeout_s=TIMEOUT_S)
        terminal.wait_for("700 to DE01", timeout_s=TIMEOUT_S)  # the output of the first turn
        terminal.wait_for("→ gate", timeout_s=TIMEOUT_S)
        (dev.directory / "open").touch()
        terminal.wait_for("← gate the gate is open", timeout_s=TIMEOUT_S)
        terminal.wait_for(r"\n> $", timeout_s=TIMEOUT_S)

        terminal.type("/fork 1\n")
        fork_id = terminal.wait_for(r"This is (conversation-\w+) now", timeout_s=TIMEOUT_S)
        terminal.type("say Thanks.\n")
        terminal.wait_for(r"\nThanks\.", timeout_s=TIMEOUT_S)
        terminal.wait_for(r"\n> $", timeout_s=TIMEOUT_S)
        terminal.type("\x04")
        assert terminal.wait_for_end() == 0

    assert (dev.directory / "transfers.txt").read_text() == "DE01 700\n"
    async with OpspawnClient(dev.url) as client:
        assert [turn.output for turn in (await client.conversations.turns(conversation_id)).turns] == [
            "700 to DE01",
            "the gate is open",
        ]
        forked = await client.conversations.transcript(fork_id)
        assert "700 to DE01" in str(forked.messages)
        assert "the gate is open" not in str(forked.messages)
        assert [each.id for each in (await client.conversations.list(agent="clerk")).conversations] == [
            fork_id,
            conversation_id,
        ]
