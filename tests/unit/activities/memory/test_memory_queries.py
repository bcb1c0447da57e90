from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.erasure_payloads import TaskReference
from activities.memory import memory_queries
from activities.memory.memory_queries import (
    ExportedMemories,
    MemoryEdit,
    MemoryExport,
    MemoryQueryActivities,
    MemoryReference,
    NewMemories,
    RememberedMemories,
    ScopedMemory,
)
from agentkit.errors import MemoryMisconfigured
from agentkit.interfaces import Memory, MemoryChanges, MemoryScope, NewMemory
from agentkit.testing import InMemoryMemory

ADA = MemoryScope(kind="user", owner="ada")


def clocked_memory() -> InMemoryMemory:
    start, seconds = datetime(2026, 3, 1, tzinfo=UTC), itertools.count()
    return InMemoryMemory(now=lambda: start + timedelta(seconds=next(seconds) // 4))


async def run(activity: Callable[..., Awaitable[Any]], *args: object, attempt: int = 1) -> Any:
    environment = ActivityEnvironment()
    environment.info = environment.default_info()
    object.__setattr__(environment.info, "attempt", attempt)
    return await environment.run(activity, *args)


async def test_one_text_of_a_request_can_supersede_another_of_it() -> None:
    activities = MemoryQueryActivities(clocked_memory())
    old = ScopedMemory(scope=ADA, memory=NewMemory(text="Ada lives in Paris.", key="1"))
    new = ScopedMemory(scope=ADA, memory=NewMemory(text="Ada lives in Rome.", key="2"), supersedes_new=0)
    added: RememberedMemories = await run(activities.add_memories, NewMemories(memories=(old, new)))
    first, second = [result.memory.id for result in added.memories]
    shown: Memory = await run(activities.get_memory, MemoryReference(memory_id=first))
    assert shown.superseded_by == second


async def test_an_export_in_parts_has_each_memory_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_queries, "_MAX_EXPORT_BYTES", 500)
    memory = clocked_memory()
    activities = MemoryQueryActivities(memory)
    for number in range(10):  # several at the same time: their ids decide
        await memory.remember(ADA, NewMemory(text=f"{number} is a number of its own.", key=str(number)))
    exported: list[Memory] = []
    after, parts = None, 0
    while True:
        part: ExportedMemories = await run(activities.export_memories, MemoryExport(scope=ADA, after=after))
        exported += part.memories
        parts += 1
        if (after := part.end) is None:
            break
        if parts == 1:  # what is erased meanwhile hides no other
            await memory.forget(ADA, part.memories[-1].id)
    assert parts > 2
    assert len({each.id for each in exported}) == len(exported) == 10
    assert exported == sorted(exported, key=lambda each: (each.created_at, each.id))


async def test_a_memory_is_changed_in_whichever_scope_has_it_but_not_in_another_that_is_named() -> None:
    memory = clocked_memory()
    activities = MemoryQueryActivities(memory)
    stored = (await memory.remember(ADA, NewMemory(text="Ada likes tea.", key="1"))).memory
    changes = MemoryChanges(text="Ada likes coffee.")
    edit = MemoryEdit(reference=MemoryReference(memory_id=stored.id), changes=changes)
    changed: Memory = await run(activities.change_memory, edit)
    assert (changed.id, changed.text, changed.scope) == (stored.id, "Ada likes coffee.", ADA)
    eva = MemoryReference(memory_id=stored.id, scope=MemoryScope(kind="user", owner="eva"))
    with pytest.raises(ApplicationError) as raised:
        await run(activities.change_memory, MemoryEdit(reference=eva, changes=changes))
    assert (raised.value.type, raised.value.non_retryable) == ("MemoryNotFound", True)


async def test_an_erasure_goes_on_until_memory_can_be_used() -> None:
    class OtherMemory(InMemoryMemory):
        async def erase_of_task(self, tenant: str, task_id: str) -> int:
            raise MemoryMisconfigured("It is set up in another way.")

    activities = MemoryQueryActivities(OtherMemory())
    with pytest.raises(ApplicationError, match="in another way") as raised:
        await run(activities.erase_memories_of_task, TaskReference(tenant="default", task_id="task-1"))
    assert (raised.value.type, raised.value.non_retryable) == ("MemoryMisconfigured", False)


async def test_a_second_attempt_to_delete_finds_nothing_and_succeeds() -> None:
    memory = clocked_memory()
    activities = MemoryQueryActivities(memory)
    stored = (await memory.remember(ADA, NewMemory(text="Ada likes tea.", key="1"))).memory
    reference = MemoryReference(memory_id=stored.id)
    await run(activities.delete_memory, reference)
    await run(activities.delete_memory, reference, attempt=2)
    with pytest.raises(ApplicationError, match="memory"):
        await run(activities.delete_memory, reference)
