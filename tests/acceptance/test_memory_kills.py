"""A process is killed while it writes to embedded memory: nothing acknowledged is lost, and nothing is there twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agentkit.interfaces import MemoryScope, NewMemory
from agentkit.memory.embedded_memory import open_embedded_memory
from agentkit.testing import WordEmbedder

pytestmark = pytest.mark.acceptance

ADA = MemoryScope(kind="user", owner="ada")

WRITER = """
import asyncio, sys
from pathlib import Path
from agentkit.interfaces import MemoryChanges, MemoryScope, NewMemory
from agentkit.memory.embedded_memory import open_embedded_memory
from agentkit.testing import WordEmbedder

async def main(directory, first):
    memory, scope = open_embedded_memory(Path(directory), WordEmbedder()), MemoryScope(kind="user", owner="ada")
    number = int(first)
    while True:
        result = await memory.remember(scope, NewMemory(text=f"Fact {number} of the {number * 7}", key=str(number)))
        if number % 5 == 0:
            await memory.update(scope, result.memory.id, MemoryChanges(text=f"Changed {number}"))
        if number % 7 == 0:
            await memory.forget(scope, result.memory.id)
        print(number, flush=True)
        number += 1

asyncio.run(main(*sys.argv[1:]))
"""


def expected_text(number: int) -> str:
    return f"Changed {number}" if number % 5 == 0 else f"Fact {number} of the {number * 7}"


def write_until_killed(directory: Path, first: int, count: int) -> int:
    """Kill a process with SIGKILL after its first ``count`` writes; return the last that it acknowledged."""
    command = [sys.executable, "-c", WRITER, str(directory), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = []
        for line in writer.stdout:
            lines.append(line)
            if len(lines) == count:
                writer.kill()  # it goes on writing meanwhile
    assert len(lines) >= count
    return int([line for line in lines if line.endswith("\n")][-1])


async def test_nothing_acknowledged_is_lost_or_doubled_when_the_process_is_killed(tmp_path: Path) -> None:
    first, acknowledged = 1, 0
    for count in (20, 45, 110):
        acknowledged = write_until_killed(tmp_path / "memory", first, count)
        first = acknowledged + 1  # the next process begins with the write that was cut off, perhaps
    memory = open_embedded_memory(tmp_path / "memory", WordEmbedder())
    texts = Counter([one.text async for one in memory.export(ADA)])
    kept = {expected_text(number) for number in range(1, acknowledged + 1) if number % 7}
    assert kept - texts.keys() == set()
    assert {text for text, times in texts.items() if times > 1} == set()
    forgotten = {expected_text(number) for number in range(7, acknowledged + 1, 7)}
    assert forgotten & texts.keys() == set()
    again = await memory.remember(ADA, NewMemory(text=f"Fact 1 of the {7}", key="1"))
    assert again.outcome == "same"
    found = await memory.recall(ADA, expected_text(acknowledged - acknowledged % 7 + 1), limit=5)
    assert found
    await memory.aclose()
