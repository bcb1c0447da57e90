"""Conversations and memories survive the end of ``opspawn dev``: seen from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

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

FRIEND = """
model: demo:demo
memory: {long_term: true, recall: 5, scope: user}
"""


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevProcess]:
    """Return an ``opspawn dev`` with a clerk that asks before each transfer, and a friend with a memory."""
    dev = DevProcess(tmp_path_factory.mktemp("dev"))
    files = {"tools/bank.py": TOOLS, "agents/clerk.yaml": CLERK, "agents/friend.yaml": FRIEND}
    for name, text in files.items():
        path = dev.directory / name
        path.parent.mkdir(exist_ok=True)
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


def test_a_fact_is_known_after_a_restart_with_its_date_and_forgotten_on_request(dev: DevProcess) -> None:
    days = {f"{day:%Y-%m-%d}" for day in (datetime.now(UTC), datetime.now(UTC) + timedelta(minutes=5))}
    with chat(dev, "friend", "--user", "ada") as terminal:
        terminal.wait_for(r"\n> $", timeout_s=TIMEOUT_S)
        terminal.type('call remember {"text": "My name is Ada, and I drink tea."}\n')
        memory_id = terminal.wait_for(r'"id": "([0-9a-f-]{36})"', timeout_s=TIMEOUT_S)
        terminal.wait_for(r"\n> $", timeout_s=TIMEOUT_S)

    assert dev.end()[0] == 0
    dev.start()
    with chat(dev, "friend", "--user", "ada") as terminal:
        terminal.wait_for(r"\n> $", timeout_s=TIMEOUT_S)
        terminal.type('call recall {"query": "Which hot drink?"}\n')
        terminal.wait_for(r"\(recalled 1 memory\)", timeout_s=TIMEOUT_S)
        assert terminal.wait_for(r'"told_on":\s+"([\d-]+)"', timeout_s=TIMEOUT_S) in days
        terminal.wait_for(r"I\s+drink\s+tea", timeout_s=TIMEOUT_S)
        terminal.wait_for(r"\n> $", timeout_s=TIMEOUT_S)
        assert [each["id"] for each in dev.json_of("memory", "list", "--user", "ada")["memories"]] == [memory_id]
        terminal.type(f'call forget {{"id": "{memory_id}"}}\n')
        terminal.wait_for("← forget", timeout_s=TIMEOUT_S)
        terminal.wait_for(r"\n> $", timeout_s=TIMEOUT_S)

    assert dev.json_of("memory", "list", "--user", "ada")["memories"] == []


def test_memories_are_added_found_moved_and_forgotten_by_commands(dev: DevProcess) -> None:
    def run(*arguments: str) -> str:
        result = dev.opspawn("memory", *arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    added = dev.json_of("memory", "add", "Bob is allergic to nuts.", "--user", "bob", "--metadata", "source=call")
    run("add", "Bob lives in Bern.", "--user", "bob", "--expires", "30d")
    assert "was remembered already (user/bob)" in run("add", "Bob lives in Bern.", "--user", "bob")
    found = dev.json_of("memory", "search", "food allergies", "--user", "bob")["memories"]
    assert (found[0]["id"], found[0]["metadata"]) == (added["id"], {"source": "call"})

    run("export", "bob.jsonl", "--user", "bob")
    assert run("import", "bob.jsonl", "--user", "carl") == "2 new, 0 remembered before, 0 updated.\n"
    assert run("import", "bob.jsonl", "--user", "carl") == "0 new, 2 remembered before, 0 updated.\n"
    assert int(run("reindex").split()[0]) >= 4

    run("forget", added["id"])
    listed = dev.json_of("memory", "list", "--user", "bob")["memories"]
    assert [each["text"] for each in listed] == ["Bob lives in Bern."]
    assert run("forget", "--all", "--user", "carl", "--yes") == "2 memories of user carl erased.\n"
    assert "Nothing is remembered of user carl." in run("list", "--user", "carl")
