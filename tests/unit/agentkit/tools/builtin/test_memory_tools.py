from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.errors import LongTermMemoryError, MemoryMisconfigured, MemoryUnavailable, ToolError, ToolUnavailable
from agentkit.interfaces import MEMORY_TOOLS, LongTermMemory, MemoryScope, ToolContext
from agentkit.testing import InMemoryMemory
from agentkit.tools.builtin.memory_tools import memory_tools

ADA = MemoryScope(kind="user", owner="ada")


def context(call_id: str = "call_1", *, scope: MemoryScope = ADA, attempt: int = 1) -> ToolContext:
    key = f"task-1/{call_id}"
    return ToolContext(task_id="task-1", call_id=call_id, idempotency_key=key, step=1, memory=scope, attempt=attempt)


async def call(memory: LongTermMemory | None, name: str, arguments: Mapping[str, JsonValue], at: ToolContext) -> Any:
    (tool,) = (tool for tool in memory_tools(memory) if tool.spec.name == name)
    return await tool.call(arguments, at)


def test_there_are_four_tools_and_none_is_irreversible() -> None:
    specs = [tool.spec for tool in memory_tools()]
    assert tuple(spec.name for spec in specs) == MEMORY_TOOLS
    assert [spec.effect for spec in specs] == ["idempotent", "pure", "idempotent", "idempotent"]


async def test_what_is_remembered_is_recalled_with_its_id_and_date() -> None:
    memory = InMemoryMemory()
    remembered = await call(memory, "remember", {"text": "Ada likes tea."}, context())
    assert remembered["outcome"] == "new"
    recalled = await call(memory, "recall", {"query": "Does Ada like tea?"}, context("call_2"))
    assert recalled == {"memories": [{key: remembered[key] for key in ("id", "told_on", "text")}]}
    assert (await memory.get(ADA, remembered["id"])).task_id == "task-1"


async def test_a_repeated_attempt_of_a_call_remembers_once() -> None:
    memory = InMemoryMemory()
    first = await call(memory, "remember", {"text": "Ada likes tea."}, context())
    second = await call(memory, "remember", {"text": "Ada likes tea."}, context(attempt=2))
    assert (second["id"], second["outcome"]) == (first["id"], "same")
    assert (await memory.list(ADA, limit=10)).total == 1


async def test_no_call_reaches_another_scope() -> None:
    memory, eva = InMemoryMemory(), MemoryScope(kind="user", owner="eva")
    remembered = await call(memory, "remember", {"text": "Ada likes tea."}, context())
    assert await call(memory, "recall", {"query": "tea"}, context("call_2", scope=eva)) == {"memories": []}
    for name, arguments in (("forget", {}), ("update_memory", {"text": "Eva likes tea."})):
        with pytest.raises(ToolError, match="Ids are as recall gives them"):
            await call(memory, name, {"id": remembered["id"], **arguments}, context("call_3", scope=eva))


async def test_a_memory_is_changed_and_forgotten_by_its_id() -> None:
    memory = InMemoryMemory()
    remembered = await call(memory, "remember", {"text": "Ada likes tea."}, context())
    arguments = {"id": remembered["id"], "text": "Ada likes coffee."}
    assert (await call(memory, "update_memory", arguments, context("call_2")))["text"] == "Ada likes coffee."
    assert remembered["id"] in await call(memory, "forget", {"id": remembered["id"]}, context("call_3"))
    assert (await memory.list(ADA, limit=10)).total == 0
    # Another attempt, after one whose worker was lost, has nothing left to erase.
    assert remembered["id"] in await call(memory, "forget", {"id": remembered["id"]}, context("call_3", attempt=2))


class _Failing(InMemoryMemory):
    def __init__(self, error: LongTermMemoryError) -> None:
        super().__init__()
        self._error = error

    async def recall(self, *_: Any, **__: Any) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "expected"),
    [(MemoryUnavailable("away"), ToolUnavailable), (MemoryMisconfigured("another model"), ToolError)],
    ids=["may succeed later", "for good"],
)
async def test_only_a_memory_that_is_away_is_called_again(
    error: LongTermMemoryError, expected: type[ToolError]
) -> None:
    with pytest.raises(ToolError) as raised:
        await call(_Failing(error), "recall", {"query": "tea"}, context())
    assert type(raised.value) is expected


async def test_without_memory_calls_say_so() -> None:
    with pytest.raises(ToolError, match="no long-term memory in this process"):
        await call(None, "recall", {"query": "tea"}, context())
