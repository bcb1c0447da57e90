"""Contents of tool calls in payload storage: whole results and files, in blocks, so that ranges of them can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import (
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)

from activities.temporal.payload_storage import PayloadStorageFailed, encoded_for_storage, external_storage_of
from agentkit.messages import StoredContent
from agentkit.records import Record

__all__ = ["ContentStorage"]

_BLOCK_BYTES = 4 * 1_048_576
_ENCODING = {"encoding": b"binary/plain"}


class _ContentIndex(Record):
    """What the claim of a content refers to."""

    block_bytes: int
    """Of each block but the last."""
    blocks: tuple[Mapping[str, str], ...]
    """The claims of the blocks, in order."""


class ContentStorage:
    """Writes and reads contents by the storage driver and the codec of a client's data converter.

    They belong to a workflow, as its payloads do, and are deleted with those. Equal contents of one are stored once.
    A ``ContentReader``.
    """

    def __init__(self, client: Client) -> None:
        storage = external_storage_of(client)
        self._namespace = client.namespace
        self._converter = client.data_converter
        self._driver = storage.drivers[0]
        self._min_payload_bytes = storage.payload_size_threshold

    async def write(self, workflow_id: str, data: bytes, *, media_type: str, name: str | None = None) -> StoredContent:
        """Store a content of a workflow; return a reference to it.

        Raises:
            PayloadStorageFailed: it can't be written.
        """
        context = StorageDriverStoreContext(StorageDriverWorkflowInfo(namespace=self._namespace, id=workflow_id))
        blocks = [
            await self._store(context, Payload(metadata=_ENCODING, data=data[start : start + _BLOCK_BYTES]))
            for start in range(0, len(data), _BLOCK_BYTES)
        ]
        index = _ContentIndex(block_bytes=_BLOCK_BYTES, blocks=tuple(blocks))
        claim = await self._store(context, Payload(metadata=_ENCODING, data=index.canonical_json()))
        return StoredContent(media_type=media_type, size=len(data), name=name, claim=claim)

    async def check(self, workflow_id: str, value: object) -> None:
        """Store a value as the SDK is going to, if it is large enough for that: then it will not fail.

        Raises:
            PayloadStorageFailed: it can't be written.
        """
        payload = self._converter.payload_converter.to_payload(value)
        if payload.ByteSize() >= self._min_payload_bytes:
            target = StorageDriverWorkflowInfo(namespace=self._namespace, id=workflow_id)
            await self._store(StorageDriverStoreContext(target), payload)

    async def read(self, content: StoredContent, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes from ``start`` up to and excluding ``end``; fewer where the content ends before.

        Raises:
            PayloadStorageFailed: they can't be read.
        """
        return b"".join([block async for block in self.blocks(content, start, end)])

    async def blocks(self, content: StoredContent, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield those bytes block by block.

        Raises:
            PayloadStorageFailed: they can't be read.
        """
        if content.claim is None:
            raise PayloadStorageFailed(
                "It was not kept: when the tool returned it, payload storage couldn't be written."
            )
        end = content.size if end is None else min(end, content.size)
        index = _ContentIndex.model_validate_json(await self._retrieve(content.claim))
        size = index.block_bytes
        for number in range(start // size, -(-end // size)):
            block = await self._retrieve(index.blocks[number])
            yield block[max(0, start - number * size) : end - number * size]

    async def _store(self, context: StorageDriverStoreContext, payload: Payload) -> Mapping[str, str]:
        encoded = await encoded_for_storage(self._converter, context, payload)
        [claim] = await self._driver.store(context, [encoded])
        return claim.claim_data

    async def _retrieve(self, claim: Mapping[str, str]) -> bytes:
        payloads = await self._driver.retrieve(StorageDriverRetrieveContext(), [StorageDriverClaim(claim)])
        if self._converter.payload_codec is not None:
            payloads = await self._converter.payload_codec.decode(payloads)
        data: bytes = payloads[0].data
        return data
