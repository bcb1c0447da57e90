"""Memories on a Qdrant server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Literal

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from agentkit.errors import LongTermMemoryError, MemoryMisconfigured, MemoryUnavailable
from agentkit.memory.server_collections import ServerCollections, meaning_vector_name
from agentkit.memory.stored_points import (
    CURRENT,
    REBUILD_BATCH,
    SEARCH_DEPTH,
    WORDS_VECTOR,
    MakeVectors,
    MemoryPoint,
    PointFilter,
    PointVectors,
    VectorModel,
    payload_of,
    point_of,
)

__all__ = ["ServerPoints"]

REQUEST_TIMEOUT_S = 10

MAX_COPIES = 10
"""The most passes of a reindexing over the old collection; each copies what other processes have written since the one
before."""


class ServerPoints:
    """A ``PointStore`` in a collection of a Qdrant server, for any number of processes."""

    def __init__(self, url: str, *, api_key: str | None, collection: str) -> None:
        """Set up the client; the first call connects.

        Raises:
            MemoryMisconfigured: ``url`` isn't a valid URL.
        """
        self._url = url
        headers = None if api_key is None else {"api-key": api_key}
        try:
            self._client = AsyncQdrantClient(
                url=url, headers=headers, timeout=REQUEST_TIMEOUT_S, check_compatibility=False
            )
        except Exception as error:
            raise MemoryMisconfigured(f"AGENTKIT_LTM_URL isn't the URL of a Qdrant server: {error}") from None
        self._collections = ServerCollections(self._client, collection)
        self._model: VectorModel | None = None

    async def prepare(self, model: VectorModel) -> None:
        """See ``PointStore``."""
        if self._model != model:
            with self._server_errors():
                await self._collections.prepare(model)
            self._model = model

    async def select(
        self, where: PointFilter, *, limit: int, order: Literal["newest", "oldest"] | None = None
    ) -> Sequence[MemoryPoint]:
        """See ``PointStore``."""
        directions = {"newest": models.Direction.DESC, "oldest": models.Direction.ASC}
        with self._server_errors():
            records, _ = await self._client.scroll(
                self._collections.name,
                scroll_filter=_filter(where),
                limit=limit,
                order_by=None if order is None else models.OrderBy(key="position", direction=directions[order]),
                with_payload=True,
            )
        return [point_of(record.id, record.payload) for record in records]

    async def count(self, where: PointFilter) -> int:
        """See ``PointStore``."""
        with self._server_errors():
            return (await self._client.count(self._collections.name, count_filter=_filter(where), exact=True)).count

    async def nearest(
        self, where: PointFilter, meaning: Sequence[float], *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        """See ``PointStore``."""
        with self._server_errors():
            found = await self._client.query_points(
                self._collections.name,
                query=list(meaning),
                using=self._meaning,
                query_filter=_filter(where),
                limit=limit,
                with_payload=True,
            )
        return [(point_of(point.id, point.payload), point.score) for point in found.points]

    async def search(
        self, where: PointFilter, vectors: PointVectors, *, limit: int
    ) -> Sequence[tuple[MemoryPoint, float]]:
        """See ``PointStore``."""
        conditions, depth = _filter(where), max(SEARCH_DEPTH, limit)
        meaning = models.Prefetch(query=list(vectors.meaning), using=self._meaning, filter=conditions, limit=depth)
        prefetches = [meaning]
        if vectors.words.indices:
            words = models.Prefetch(query=_sparse(vectors), using=WORDS_VECTOR, filter=conditions, limit=depth)
            prefetches.append(words)
        with self._server_errors():
            found = await self._client.query_points(
                self._collections.name,
                prefetch=prefetches,
                query=models.FusionQuery(fusion=models.Fusion.RRF),  # its k is RRF_K on all versions
                query_filter=conditions,
                limit=limit,
                with_payload=True,
            )
        return [(point_of(point.id, point.payload), point.score) for point in found.points]

    async def put(self, point: MemoryPoint, vectors: PointVectors) -> None:
        """See ``PointStore``."""
        with self._server_errors():
            await self._client.upsert(self._collections.name, [_struct(point, vectors, self._meaning)], wait=True)

    async def change(self, point: MemoryPoint, vectors: PointVectors | None) -> bool:
        """See ``PointStore``."""
        identifier, payload = point.memory.id, payload_of(point)
        operations: list[models.UpdateOperation] = []
        if vectors is not None:
            named = models.PointVectors(id=identifier, vector=_named(vectors, self._meaning))
            operations.append(models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=[named])))
        overwriting = models.SetPayload(payload=payload, points=[identifier])
        operations.append(models.OverwritePayloadOperation(overwrite_payload=overwriting))
        try:
            with self._server_errors():
                await self._client.batch_update_points(self._collections.name, operations, wait=True)
        except _PointGone:
            return False
        return True

    async def delete(self, where: PointFilter) -> None:
        """See ``PointStore``."""
        with self._server_errors():
            selector = models.FilterSelector(filter=_filter(where))
            await self._client.delete(self._collections.name, selector, wait=True)

    async def delete_expired(self, now_ms: int) -> None:
        """See ``PointStore``."""
        expired = models.FieldCondition(key="expires_ms", range=models.Range(lte=now_ms))
        with self._server_errors():
            selector = models.FilterSelector(filter=models.Filter(must=[expired]))
            await self._client.delete(self._collections.name, selector, wait=True)

    async def rebuild(self, model: VectorModel, make_vectors: MakeVectors) -> int:
        """See ``PointStore``. Until it ends, other processes may still write with the previous model."""
        with self._server_errors():
            if (current := await self._collections.current()) is None:
                await self._collections.prepare(model)
                if (current := await self._collections.current()) is None:
                    raise MemoryMisconfigured(
                        f"{self._collections.name} is a collection, not an alias, so it can't be replaced: export the "
                        "memories, and import them with another AGENTKIT_LTM_COLLECTION"
                    )
            target = await self._collections.create_next(current, model)
            try:
                copied: dict[str, str] = {}
                for _ in range(MAX_COPIES):
                    if not await self._copy(current, target, meaning_vector_name(model), make_vectors, copied):
                        break
                await self._collections.replace(current, target)
            except BaseException:
                await self._collections.discard(target)
                raise
        self._model = model
        return len(copied)

    async def aclose(self) -> None:
        """See ``PointStore``."""
        await self._client.close()

    @property
    def _meaning(self) -> str:
        if self._model is None:
            raise MemoryUnavailable(f"the memory on {self._url} is not open")
        return meaning_vector_name(self._model)

    async def _copy(
        self, source: str, target: str, meaning: str, make_vectors: MakeVectors, copied: dict[str, str]
    ) -> int:
        """Copy memories that are new or changed since ``copied``; delete those that are gone. Return how many."""
        seen: set[str] = set()
        changes, offset = 0, None
        while True:
            records, offset = await self._client.scroll(source, limit=REBUILD_BATCH, offset=offset, with_payload=True)
            points = [point_of(record.id, record.payload) for record in records]
            states = {point.memory.id: repr(point) for point in points}
            seen |= states.keys()
            batch = [point for point in points if copied.get(point.memory.id) != states[point.memory.id]]
            if batch:
                vectors = await make_vectors([point.memory.text for point in batch])
                structs = [_struct(point, one, meaning) for point, one in zip(batch, vectors, strict=True)]
                await self._client.upsert(target, structs, wait=True)
                copied |= {point.memory.id: states[point.memory.id] for point in batch}
                changes += len(batch)
            if offset is None:
                break
        if gone := [identifier for identifier in copied if identifier not in seen]:
            await self._client.delete(target, models.PointIdsList(points=list(gone)), wait=True)
            for identifier in gone:
                del copied[identifier]
        return changes + len(gone)

    @contextmanager
    def _server_errors(self) -> Iterator[None]:
        try:
            yield
        except UnexpectedResponse as error:
            raise self._refusal(error) from None
        except (ApiException, QdrantException, UnicodeDecodeError, JSONDecodeError) as error:
            cause = getattr(error, "source", error)
            message = f"the Qdrant server on {self._url} doesn't respond: {type(cause).__name__}: {cause}"
            raise MemoryUnavailable(message) from None

    def _refusal(self, error: UnexpectedResponse) -> LongTermMemoryError:
        status, text = error.status_code, error.content[:500].decode(errors="replace")
        message = f"the Qdrant server on {self._url} responded {status}: {text}"
        if status in (401, 403):
            return MemoryMisconfigured(f"{message}; set AGENTKIT_LTM_API_KEY to a key that may write")
        if status == 404 and "No point with id" in text:
            return _PointGone(message)
        if status in (400, 404, 422):  # the collection may be another one since
            self._model = None
        if status == 400 and ("vector name" in text or "dimension" in text):
            return MemoryMisconfigured(f"{message}; run `opspawn memory reindex` if the embedding model is another now")
        return MemoryUnavailable(message)


class _PointGone(MemoryUnavailable):
    """The point to change doesn't exist."""


def _struct(point: MemoryPoint, vectors: PointVectors, meaning: str) -> models.PointStruct:
    return models.PointStruct(id=point.memory.id, vector=_named(vectors, meaning), payload=payload_of(point))


def _named(vectors: PointVectors, meaning: str) -> models.VectorStruct:
    return {meaning: list(vectors.meaning), WORDS_VECTOR: _sparse(vectors)}


def _sparse(vectors: PointVectors) -> models.SparseVector:
    return models.SparseVector(indices=list(vectors.words.indices), values=list(vectors.words.values))


def _filter(where: PointFilter) -> models.Filter:
    must: list[models.Condition] = [_is("tenant", where.tenant)]
    must_not: list[models.Condition] = [
        models.FieldCondition(key="expires_ms", range=models.Range(lte=where.now_ms)),
    ]
    if where.scope is not None:
        must.append(_is("scope", where.scope))
    if where.current:
        must.append(_is("state", CURRENT))
    if where.ids is not None:
        must.append(models.HasIdCondition(has_id=list(where.ids)))
    if where.without_ids:
        must_not.append(models.HasIdCondition(has_id=list(where.without_ids)))
    if where.task_id is not None:
        must.append(_is("task_id", where.task_id))
    if where.same_as is not None:
        key, text = where.same_as
        same_text = models.Filter(must=[_is("text_key", text), _is("state", CURRENT)])
        must.append(models.Filter(should=[_is("keys", key), same_text]))
    if where.first_position is not None or where.last_position is not None:
        positions = models.Range(gte=where.first_position, lte=where.last_position)
        must.append(models.FieldCondition(key="position", range=positions))
    return models.Filter(must=must, must_not=must_not)


def _is(field: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))
