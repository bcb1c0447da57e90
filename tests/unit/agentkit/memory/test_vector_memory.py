"""Long-term memory over a database that fails, or does something at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pytest

from agentkit.errors import MemoryMisconfigured, MemoryNotFound, MemoryUnavailable
from agentkit.interfaces import EmbeddedKind, MemoryChanges, MemoryScope, NewMemory
from agentkit.memory.stored_points import MakeVectors, MemoryPoint, PointFilter, PointVectors, VectorModel
from agentkit.memory.vector_memory import VectorMemory
from agentkit.memory_rules import scope_key, text_key
from agentkit.testing import WordEmbedder

ADA = MemoryScope(kind="user", owner="ada")


@dataclass
class PointsInMemory:
    """As much of a ``PointStore`` as is needed here."""

    points: dict[str, MemoryPoint] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    filters: list[PointFilter] = field(default_factory=list)
    rebuilding: asyncio.Event = field(default_factory=asyncio.Event)
    rebuilt: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self, model: VectorModel) -> None:
        await self._call("prepare")

    async def select(
        self, where: PointFilter, *, limit: int, order: Literal["newest", "oldest"] | None = None
    ) -> Sequence[MemoryPoint]:
        await self._call("select", where)
        return [point for point in self.points.values() if _fits(point, where)][:limit]

    async def count(self, where: PointFilter) -> int:
        await self._call("count", where)
        return sum(_fits(point, where) for point in self.points.values())

    async def nearest(
        self, where: PointFilter, meaning: Sequence[float], *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        await self._call("nearest", where)
        return []

    async def search(
        self, where: PointFilter, vectors: PointVectors, *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        await self._call("search", where)
        return []

    async def put(self, point: MemoryPoint, vectors: PointVectors) -> None:
        await self._call("put")
        self.points[point.memory.id] = point

    async def change(self, point: MemoryPoint, vectors: PointVectors | None) -> bool:
        await self._call("change")
        if point.memory.id not in self.points:
            return False
        self.points[point.memory.id] = point
        return True

    async def delete(self, where: PointFilter) -> None:
        await self._call("delete", where)
        self.points = {name: point for name, point in self.points.items() if not _fits(point, where)}

    async def delete_expired(self, now_ms: int) -> None:
        await self._call("delete_expired")

    async def rebuild(self, model: VectorModel, make_vectors: MakeVectors) -> int:
        self.rebuilding.set()
        await self.rebuilt.wait()
        return len(self.points)

    async def aclose(self) -> None:
        await self._call("aclose")

    async def _call(self, name: str, where: PointFilter | None = None) -> None:
        self.calls.append(name)
        if where is not None:
            self.filters.append(where)
        await asyncio.sleep(0)  # others may go on meanwhile
        if name in self.failing:
            raise MemoryUnavailable(f"{name} failed")


def _fits(point: MemoryPoint, where: PointFilter) -> bool:
    memory = point.memory
    key, text = where.same_as or ("", "")
    return all(
        [
            (memory.scope.tenant, where.scope or scope_key(memory.scope)) == (where.tenant, scope_key(memory.scope)),
            where.ids is None or memory.id in where.ids,
            not where.current or memory.superseded_by is None,
            where.same_as is None or key in point.keys or text_key(memory.text) == text,
        ]
    )


def new(text: str, key: str, **fields: object) -> NewMemory:
    return NewMemory.model_validate({"text": text, "key": key, **fields})


async def test_one_text_at_the_same_time_is_one_memory() -> None:
    points = PointsInMemory()
    memory = VectorMemory(points, WordEmbedder())
    results = await asyncio.gather(*(memory.remember(ADA, new("Ada drinks tea", f"call-{n}")) for n in range(20)))
    assert sorted(result.outcome for result in results) == ["new"] + ["same"] * 19
    assert len(points.points) == 1


async def test_one_text_in_two_processes_at_the_same_time_is_one_memory() -> None:
    points = PointsInMemory()
    memories = [VectorMemory(points, WordEmbedder()) for _ in range(5)]
    await asyncio.gather(*(memory.remember(ADA, new("Ada drinks tea", f"{memory}")) for memory in memories))
    assert len(points.points) == 1


async def test_a_call_that_failed_between_its_writes_is_completed_by_the_next_attempt() -> None:
    points = PointsInMemory()
    memory = VectorMemory(points, WordEmbedder())
    old = (await memory.remember(ADA, new("Ada lives in Berlin", "1"))).memory
    points.failing = {"change"}
    with pytest.raises(MemoryUnavailable):
        await memory.remember(ADA, new("Ada lives in Paris", "2", supersedes=old.id))
    points.failing = set()
    again = await memory.remember(ADA, new("Ada lives in Paris", "2", supersedes=old.id))
    assert again.outcome == "same"
    assert (await memory.get(ADA, old.id)).superseded_by == again.memory.id
    assert len(points.points) == 2


async def test_each_call_to_the_database_names_the_tenant_and_the_scope() -> None:
    points = PointsInMemory()
    memory = VectorMemory(points, WordEmbedder())
    one = (
        await memory.remember(ADA, new("Ada drinks tea", "1", supersedes="0b5f2b6e-3c1c-5ab6-a3a3-6f7d3c2f9b11"))
    ).memory
    await memory.recall(ADA, "tea", limit=3)
    await memory.list(ADA, limit=3)
    await memory.update(ADA, one.id, MemoryChanges(text="Ada drinks coffee"))
    assert [found.id async for found in memory.export(ADA)] == [one.id]
    await memory.forget(ADA, one.id)
    await memory.erase(ADA)
    assert {(where.tenant, where.scope) for where in points.filters} == {("default", "user/ada")}
    assert {"select", "count", "search", "delete"} <= set(points.calls)
    points.filters.clear()
    with pytest.raises(MemoryNotFound):
        await memory.find("acme", one.id)
    assert {(where.tenant, where.scope) for where in points.filters} == {("acme", None)}


async def test_expired_memories_that_cant_be_erased_now_hinder_nothing(caplog: pytest.LogCaptureFixture) -> None:
    points = PointsInMemory(failing={"delete_expired"})
    memory = VectorMemory(points, WordEmbedder())
    for number in range(3):
        assert (await memory.remember(ADA, new(f"Fact {number}", f"{number}"))).outcome == "new"
    assert points.calls.count("delete_expired") == 1  # once an hour
    assert "can't be erased now" in caplog.text


async def test_expired_memories_are_erased_with_a_conversation_of_which_no_others_are_left() -> None:
    points = PointsInMemory()
    assert await VectorMemory(points, WordEmbedder()).erase_of_conversation("default", "conversation-1") == 0
    assert points.calls.count("delete_expired") == 1


async def test_vectors_of_a_wrong_length_are_refused() -> None:
    class WrongEmbedder(WordEmbedder):
        async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
            return [[1.0, 0.0] for _ in texts]

    points = PointsInMemory()
    with pytest.raises(MemoryMisconfigured, match="words returned other vectors than 1 of 128 numbers"):
        await VectorMemory(points, WrongEmbedder()).remember(ADA, new("Ada drinks tea", "1"))
    assert not points.points


async def test_nothing_is_read_or_written_while_vectors_are_made_anew() -> None:
    points = PointsInMemory()
    memory = VectorMemory(points, WordEmbedder())
    one = (await memory.remember(ADA, new("Ada drinks tea", "1"))).memory
    reindexing = asyncio.ensure_future(memory.reindex())
    await asyncio.wait_for(points.rebuilding.wait(), 10)
    for call in [
        memory.remember(ADA, new("x", "2")),
        memory.forget(ADA, one.id),
        memory.get(ADA, one.id),
        memory.reindex(),
    ]:
        with pytest.raises(MemoryUnavailable, match="made anew"):
            await call
    points.rebuilt.set()
    assert await asyncio.wait_for(reindexing, 10) == 1
    assert await memory.get(ADA, one.id) == one


async def test_a_write_that_has_begun_ends_before_vectors_are_made_anew() -> None:
    points = PointsInMemory()
    memory = VectorMemory(points, WordEmbedder())
    points.rebuilt.set()
    writing = asyncio.ensure_future(memory.remember(ADA, new("Ada drinks tea", "1")))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(memory.reindex(), 10) == 1
    assert (await writing).outcome == "new"


async def test_closing_closes_the_embedder_also_where_the_database_fails() -> None:
    embedder = WordEmbedder()
    with pytest.raises(MemoryUnavailable):
        await VectorMemory(PointsInMemory(failing={"aclose"}), embedder).aclose()
    assert embedder.closed
