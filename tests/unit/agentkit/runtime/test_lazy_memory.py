from __future__ import annotations

import asyncio

import pytest

from agentkit.errors import MemoryUnavailable
from agentkit.interfaces import LongTermMemory, MemoryScope, NewMemory
from agentkit.runtime.lazy_memory import LazyMemory
from agentkit.testing import InMemoryMemory

ADA = MemoryScope(kind="user", owner="ada")


class _Opener:
    """Opens the same memory each time, after a number of failures."""

    def __init__(self, failures: int = 0) -> None:
        self.memory = InMemoryMemory()
        self.opened = 0
        self._failures = failures

    async def open(self) -> LongTermMemory:
        await asyncio.sleep(0)
        if self._failures:
            self._failures -= 1
            raise MemoryUnavailable("No response.")
        self.opened += 1
        return self.memory


async def test_nothing_is_opened_before_the_first_call_and_then_once() -> None:
    opener = _Opener()
    memory = LazyMemory(opener.open)
    assert opener.opened == 0
    await asyncio.gather(*(memory.recall(ADA, "tea", limit=1) for _ in range(3)))
    assert opener.opened == 1


async def test_a_failure_to_open_is_not_kept() -> None:
    opener = _Opener(failures=1)
    memory = LazyMemory(opener.open)
    with pytest.raises(MemoryUnavailable):
        await memory.reindex()
    assert await memory.reindex() == 0


async def test_after_it_was_closed_it_opens_again() -> None:
    opener = _Opener()
    memory = LazyMemory(opener.open)
    await memory.aclose()
    assert opener.opened == 0
    remembered = (await memory.remember(ADA, NewMemory(text="Ada likes tea.", key="1"))).memory
    await memory.aclose()
    assert await memory.find("default", remembered.id) == remembered
    assert [each async for each in memory.export(ADA)] == [remembered]
    assert opener.opened == 2
