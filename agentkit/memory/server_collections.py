"""The collections of long-term memory on a Qdrant server, and the alias that names the one in use."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from agentkit.errors import MemoryMisconfigured
from agentkit.memory.stored_points import (
    INTEGER_FIELDS,
    KEYWORD_FIELDS,
    MEANING_VECTOR,
    WORDS_VECTOR,
    VectorModel,
    changed_model,
)

__all__ = ["ServerCollections", "meaning_vector_name"]

_NUMBERED = re.compile(r"-(\d+)$")


def meaning_vector_name(model: VectorModel) -> str:
    """Return the name of a model's dense vectors. It contains the model's, so that the server refuses calls with the
    vectors of another model."""
    return f"{MEANING_VECTOR}-{quote(model.name, safe='')}"


class ServerCollections:
    """The alias ``name``, and collections ``name-1``, ``name-2``, ...; the alias points to the one in use."""

    def __init__(self, client: AsyncQdrantClient, name: str) -> None:
        self.name = name
        self._client = client

    async def prepare(self, model: VectorModel) -> None:
        """Check the collection in use, or create the first one. Several processes may do this at the same time.

        Raises:
            MemoryMisconfigured: it has vectors of another model, or isn't a collection of memories.
        """
        try:
            info = await self._client.get_collection(self.name)
        except UnexpectedResponse as error:
            if error.status_code != 404:
                raise
            await self.create(f"{self.name}-1", model)
            await self._use(f"{self.name}-1", None)
            info = await self._client.get_collection(self.name)
        self._check(info, model)

    async def current(self) -> str | None:
        """Return the collection that the alias points to; None if the alias doesn't exist."""
        aliases = (await self._client.get_aliases()).aliases
        return next((alias.collection_name for alias in aliases if alias.alias_name == self.name), None)

    async def create(self, collection: str, model: VectorModel) -> None:
        """Create a collection with its indexes; if it exists, create the indexes that it lacks."""
        size = models.VectorParams(size=model.dimension, distance=models.Distance.COSINE)
        try:
            await self._client.create_collection(
                collection,
                vectors_config={meaning_vector_name(model): size},
                sparse_vectors_config={WORDS_VECTOR: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),  # a graph for each tenant, none over all
            )
        except UnexpectedResponse as error:
            if error.status_code not in (400, 409) or b"already exists" not in error.content:
                raise
        tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        await self._client.create_payload_index(collection, "tenant", tenant)
        for field in KEYWORD_FIELDS:
            await self._client.create_payload_index(collection, field, models.PayloadSchemaType.KEYWORD)
        for field in INTEGER_FIELDS:
            await self._client.create_payload_index(collection, field, models.PayloadSchemaType.INTEGER)

    async def create_next(self, current: str, model: VectorModel) -> str:
        """Return the name of a new, empty collection, into which ``current`` is to be copied."""
        number = int(match[1]) if (match := _NUMBERED.search(current)) else 0
        collection = f"{self.name}-{number + 1}"
        await self._client.delete_collection(collection)  # left over by a process that was killed
        await self.create(collection, model)
        return collection

    async def replace(self, current: str, collection: str) -> None:
        """Put ``collection`` into use instead of ``current``, and delete ``current``."""
        await self._use(collection, current)
        await self._client.delete_collection(current)

    async def discard(self, collection: str) -> None:
        """Delete a collection that is not in use."""
        await self._client.delete_collection(collection)

    async def _use(self, collection: str, current: str | None) -> None:
        delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self.name))
        create = models.CreateAliasOperation(
            create_alias=models.CreateAlias(alias_name=self.name, collection_name=collection)
        )
        await self._client.update_collection_aliases([create] if current is None else [delete, create])

    def _check(self, info: models.CollectionInfo, model: VectorModel) -> None:
        vectors = info.config.params.vectors
        stored = {name: params.size for name, params in vectors.items()} if isinstance(vectors, dict) else {}
        prefix = f"{MEANING_VECTOR}-"
        ours = [(unquote(name.removeprefix(prefix)), size) for name, size in stored.items() if name.startswith(prefix)]
        if len(ours) != 1 or WORDS_VECTOR not in (info.config.params.sparse_vectors or {}):
            raise MemoryMisconfigured(
                f"the collection {self.name} doesn't hold memories: set AGENTKIT_LTM_COLLECTION to another name"
            )
        [(name, dimension)] = ours
        if (name, dimension) != (model.name, model.dimension):
            raise changed_model(f"the collection {self.name}", f"{name} ({dimension} dimensions)", model)
