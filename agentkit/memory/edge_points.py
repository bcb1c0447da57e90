"""Memories in a directory, stored by Qdrant's engine inside this process."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

import qdrant_edge as edge

from agentkit.errors import LongTermMemoryError, MemoryUnavailable
from agentkit.memory.edge_directory import EdgeDirectory
from agentkit.memory.stored_points import (
    CURRENT,
    MEANING_VECTOR,
    REBUILD_BATCH,
    RRF_K,
    SEARCH_DEPTH,
    WORDS_VECTOR,
    MakeVectors,
    MemoryPoint,
    PointFilter,
    PointVectors,
    VectorModel,
    changed_model,
    payload_of,
    point_of,
)

__all__ = ["EdgePoints"]

FLUSH_INTERVAL = 500
"""Number of writes between two flushes, each of which truncates the write-ahead log. Opening the directory replays the
log, about 1,000 writes a second."""

_Result = TypeVar("_Result")


class EdgePoints:
    """A ``PointStore`` in a directory that one process at a time can open.

    One dedicated thread makes all calls: the engine holds the GIL, so more threads wouldn't be faster.
    """

    def __init__(self, directory: Path) -> None:
        """Store memories in ``directory``, which the first call creates."""
        self._directory = EdgeDirectory(directory)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="memory")
        self._shard: edge.EdgeShard | None = None
        self._model: VectorModel | None = None
        self._writes = 0
        self._closed = False

    async def prepare(self, model: VectorModel) -> None:
        """See ``PointStore``."""
        if self._shard is None:
            await self._run(lambda: self._open(model))
        elif self._model is not None and self._model != model:
            stored = f"{self._model.name} ({self._model.dimension} dimensions)"
            raise changed_model(str(self._directory.path), stored, model)

    async def select(
        self, where: PointFilter, *, limit: int, order: Literal["newest", "oldest"] | None = None
    ) -> Sequence[MemoryPoint]:
        """See ``PointStore``."""
        directions = {"newest": edge.Direction.Desc, "oldest": edge.Direction.Asc}
        request = edge.ScrollRequest(
            limit=limit,
            filter=_filter(where),
            with_payload=True,
            with_vector=False,
            order_by=None if order is None else edge.OrderBy("position", directions[order]),
        )
        records, _ = await self._run(lambda: self._opened.scroll(request))
        return [point_of(record.id, record.payload) for record in records]

    async def count(self, where: PointFilter) -> int:
        """See ``PointStore``."""
        request = edge.CountRequest(exact=True, filter=_filter(where))
        return await self._run(lambda: self._opened.count(request))

    async def nearest(
        self, where: PointFilter, meaning: Sequence[float], *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        """See ``PointStore``."""
        query = edge.Query.Nearest(list(meaning), using=MEANING_VECTOR)
        return await self._query(edge.QueryRequest(limit=limit, query=query, filter=_filter(where), with_payload=True))

    async def search(
        self, where: PointFilter, vectors: PointVectors, *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        """See ``PointStore``."""
        conditions, depth = _filter(where), max(SEARCH_DEPTH, limit)
        queries = []
        if vectors.meaning:
            queries.append(edge.Query.Nearest(list(vectors.meaning), using=MEANING_VECTOR))
        if vectors.words.indices:
            queries.append(edge.Query.Nearest(_sparse(vectors), using=WORDS_VECTOR))
        request = edge.QueryRequest(
            limit=limit,
            prefetches=[edge.Prefetch(limit=depth, query=query, filter=conditions) for query in queries],
            query=edge.Fusion.Rrf(k=RRF_K),  # type: ignore[arg-type]  # its stub has no base class
            filter=conditions,
            with_payload=True,
        )
        return await self._query(request)

    async def put(self, point: MemoryPoint, vectors: PointVectors) -> None:
        """See ``PointStore``."""
        await self._write(edge.UpdateOperation.upsert_points([_point(point, vectors)]))

    async def change(self, point: MemoryPoint, vectors: PointVectors | None) -> bool:
        """See ``PointStore``."""
        identifier = point.memory.id
        if vectors is None:
            operation = edge.UpdateOperation.overwrite_payload([identifier], payload_of(point))
        else:
            mode = edge.UpdateMode.UpdateOnly
            operation = edge.UpdateOperation.upsert_points([_point(point, vectors)], update_mode=mode)

        def change() -> bool:
            if not self._opened.retrieve([identifier], False, False):
                return False
            self._apply(operation)
            return True

        return await self._run(change)

    async def delete(self, where: PointFilter) -> None:
        """See ``PointStore``."""
        await self._write(edge.UpdateOperation.delete_points_by_filter(_filter(where)))

    async def delete_expired(self, now_ms: int) -> None:
        """See ``PointStore``."""
        expired = edge.FieldCondition("expires_ms", range=edge.RangeFloat(lte=now_ms))
        await self._write(edge.UpdateOperation.delete_points_by_filter(edge.Filter(must=[expired])))

    async def rebuild(self, model: VectorModel, make_vectors: MakeVectors) -> int:
        """See ``PointStore``."""
        if self._shard is None:
            await self._run(lambda: self._open(None))
        target = await self._run(lambda: self._directory.create_next(model))
        try:
            count = await self._copy(target, make_vectors)
        except BaseException:
            await self._run(lambda: self._discard(target))
            raise
        await self._run(lambda: self._use(target, model))
        return count

    async def aclose(self) -> None:
        """See ``PointStore``."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown(wait=False)

    @property
    def _opened(self) -> edge.EdgeShard:
        if self._shard is None:
            raise MemoryUnavailable(f"the memory in {self._directory.path} is closed")
        return self._shard

    async def _run(self, call: Callable[[], _Result]) -> _Result:
        """Run ``call`` in the thread; raise errors of the engine as MemoryUnavailable."""
        if self._closed:
            raise MemoryUnavailable(f"the memory in {self._directory.path} is closed")

        def guarded() -> _Result:
            try:
                return call()
            except LongTermMemoryError:
                raise
            except BaseException as error:  # the engine's errors have no types, and a panic is no Exception
                message = f"the memory in {self._directory.path} failed: {type(error).__name__}: {error}"
                raise MemoryUnavailable(message) from None

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    async def _query(self, request: edge.QueryRequest) -> Sequence[tuple[MemoryPoint, float]]:
        found = await self._run(lambda: self._opened.query(request))
        return [(point_of(point.id, point.payload), point.score) for point in found]

    async def _write(self, operation: edge.UpdateOperation) -> None:
        await self._run(lambda: self._apply(operation))

    def _apply(self, operation: edge.UpdateOperation) -> None:
        self._opened.update(operation)
        self._writes += 1
        if self._writes % FLUSH_INTERVAL == 0:
            self._opened.flush()

    def _open(self, model: VectorModel | None) -> None:
        if self._shard is None:  # a call before this one may have opened it
            self._shard, self._model = self._directory.open(model)

    def _close(self) -> None:
        shard, self._shard = self._shard, None
        if shard is not None:
            shard.close()

    async def _copy(self, target: edge.EdgeShard, make_vectors: MakeVectors) -> int:
        count, offset = 0, None
        while True:
            request = edge.ScrollRequest(offset=offset, limit=REBUILD_BATCH, with_payload=True, with_vector=False)
            records, offset = await self._run(functools.partial(self._opened.scroll, request))
            batch = [point_of(record.id, record.payload) for record in records]
            if batch:
                vectors = await make_vectors([stored.memory.text for stored in batch])
                points = [_point(stored, one) for stored, one in zip(batch, vectors, strict=True)]
                await self._run(functools.partial(target.update, edge.UpdateOperation.upsert_points(points)))
            count += len(batch)
            if offset is None:
                return count

    def _use(self, target: edge.EdgeShard, model: VectorModel) -> None:
        target.flush()
        self._opened.close()
        self._directory.use_next(model)
        self._shard, self._model = target, model

    def _discard(self, target: edge.EdgeShard) -> None:
        target.close()
        self._directory.discard_next()


def _point(stored: MemoryPoint, vectors: PointVectors) -> edge.Point:
    named: dict[str, edge.NamedVector] = {MEANING_VECTOR: list(vectors.meaning), WORDS_VECTOR: _sparse(vectors)}
    return edge.Point(stored.memory.id, named, payload_of(stored))


def _sparse(vectors: PointVectors) -> edge.SparseVector:
    return edge.SparseVector(list(vectors.words.indices), list(vectors.words.values))


def _filter(where: PointFilter) -> edge.Filter:
    must: list[edge.ConditionType] = [_is("tenant", where.tenant)]
    must_not: list[edge.ConditionType] = [edge.FieldCondition("expires_ms", range=edge.RangeFloat(lte=where.now_ms))]
    if where.scope is not None:
        must.append(_is("scope", where.scope))
    if where.current:
        must.append(_is("state", CURRENT))
    if where.ids is not None:
        must.append(edge.HasIdCondition(set(where.ids)))
    if where.without_ids:
        must_not.append(edge.HasIdCondition(set(where.without_ids)))
    if where.task_id is not None:
        must.append(_is("task_id", where.task_id))
    if where.same_as is not None:
        key, text = where.same_as
        must.append(
            edge.Filter(should=[_is("keys", key), edge.Filter(must=[_is("text_key", text), _is("state", CURRENT)])])
        )
    if where.first_position is not None or where.last_position is not None:
        positions = edge.RangeFloat(gte=where.first_position, lte=where.last_position)
        must.append(edge.FieldCondition("position", range=positions))
    return edge.Filter(must=must, must_not=must_not)


def _is(field: str, value: str) -> edge.FieldCondition:
    return edge.FieldCondition(field, match=edge.MatchValue(value))
