"""Load the images that tools returned, for requests to models: the transcript only refers to them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cachetools import LRUCache
from temporalio.client import Client

from activities.storage.content_storage import ContentStorage
from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.messages import Message, StoredContent, ToolResult

__all__ = ["ImageLoader"]

logger = logging.getLogger("opspawn.models")

_CACHE_BYTES = 32 * 1_048_576
"""Of images that recent requests had: each step sends them again."""


class ImageLoader:
    """Reads images from payload storage, and keeps the newest ones."""

    def __init__(self, client: Client) -> None:
        self._storage = ContentStorage(client)
        self._images: LRUCache[tuple[tuple[str, str], ...], bytes] = LRUCache(_CACHE_BYTES, getsizeof=len)

    async def load(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages with the bytes of their tools' images. An image that can't be read stays as its text."""
        return [await self._loaded(message) if _has_images(message) else message for message in messages]

    async def _loaded(self, message: Message) -> Message:
        parts = [await self._loaded_result(part) if isinstance(part, ToolResult) else part for part in message.parts]
        return message.model_copy(update={"parts": tuple(parts)})

    async def _loaded_result(self, result: ToolResult) -> ToolResult:
        if not result.files:
            return result
        files = [await self._loaded_file(file) if file.is_shown else file for file in result.files]
        return result.model_copy(update={"files": tuple(files)})

    async def _loaded_file(self, file: StoredContent) -> StoredContent:
        if file.claim is None:
            return file
        key = tuple(sorted(file.claim.items()))
        data = self._images.get(key)
        if data is None:
            try:
                data = await self._storage.read(file)
            except PayloadStorageFailed as error:
                logger.warning("A model is not shown an image: %s", error)
                return file
            self._images[key] = data
        return file.model_copy(update={"data": data})


def _has_images(message: Message) -> bool:
    if message.role != "tool":
        return False
    files = (file for part in message.parts if isinstance(part, ToolResult) for file in part.files or ())
    return any(file.is_shown for file in files)
