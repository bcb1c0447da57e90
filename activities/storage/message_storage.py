"""Messages of a transcript in payload storage, outside of Temporal's histories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from temporalio.client import Client
from temporalio.converter import (
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)

from activities.payload_types import StoredMessages
from activities.temporal.payload_storage import encoded_for_storage, external_storage_of
from agentkit.messages import Message, ToolResult
from agentkit.records import Record

__all__ = ["MessageStorage"]

_MAX_PAGE_BYTES = 4 * 1024 * 1024
"""Of canonical JSON of the messages of one page. A longer message has a page of its own."""
_T = TypeVar("_T")


class _SeparateContent(Record):
    """The content of a tool result, stored by itself: as the tool's activity stored it, so it takes no more space."""

    message: int
    """Position in the page."""
    part: int
    """Position in the message."""
    claim: Mapping[str, str]


class _MessagePage(Record):
    messages: tuple[Message, ...]
    """Without the contents that are stored by themselves."""
    contents: tuple[_SeparateContent, ...] = ()


class MessageStorage:
    """Writes and reads messages by the storage driver and the codec of a client's data converter."""

    def __init__(self, client: Client) -> None:
        storage = external_storage_of(client)
        self._namespace = client.namespace
        self._converter = client.data_converter
        self._driver = storage.drivers[0]
        self._min_content_bytes = storage.payload_size_threshold

    async def write(self, workflow_id: str, start: int, messages: Sequence[Message]) -> list[StoredMessages]:
        """Store the messages of a workflow from position ``start`` on; return a reference to each page.

        Raises:
            PayloadStorageFailed: they can't be written.
        """
        context = StorageDriverStoreContext(StorageDriverWorkflowInfo(namespace=self._namespace, id=workflow_id))
        stored: list[StoredMessages] = []
        for page in _pages(messages):
            claim = await self._store(context, await self._without_contents(context, page))
            stored.append(StoredMessages(start=start, end=start + len(page), claim=claim))
            start += len(page)
        return stored

    async def read(self, stored: StoredMessages, start: int, end: int | None = None) -> list[Message]:
        """Return the messages of a page from position ``start`` up to and excluding ``end``.

        Raises:
            PayloadStorageFailed: they can't be read.
        """
        page = await self._retrieve(stored.claim, _MessagePage)
        first, last = start - stored.start, None if end is None else end - stored.start
        messages = list(page.messages)
        for content in page.contents:
            if first <= content.message and (last is None or content.message < last):
                text = await self._retrieve(content.claim, str)
                messages[content.message] = _with_content(messages[content.message], content.part, text)
        return messages[first:last]

    async def _without_contents(self, context: StorageDriverStoreContext, page: Sequence[Message]) -> _MessagePage:
        messages, contents = list(page), []
        for position, message in enumerate(page):
            for index, part in enumerate(message.parts):
                if isinstance(part, ToolResult) and len(part.content) >= self._min_content_bytes:
                    claim = await self._store(context, part.content)
                    contents.append(_SeparateContent(message=position, part=index, claim=claim))
                    messages[position] = _with_content(messages[position], index, "")
        return _MessagePage(messages=tuple(messages), contents=tuple(contents))

    async def _store(self, context: StorageDriverStoreContext, value: object) -> Mapping[str, str]:
        payload = self._converter.payload_converter.to_payload(value)
        encoded = await encoded_for_storage(self._converter, context, payload)
        [claim] = await self._driver.store(context, [encoded])
        return claim.claim_data

    async def _retrieve(self, claim: Mapping[str, str], value_type: type[_T]) -> _T:
        payloads = await self._driver.retrieve(StorageDriverRetrieveContext(), [StorageDriverClaim(claim)])
        if self._converter.payload_codec is not None:
            payloads = await self._converter.payload_codec.decode(payloads)
        value: _T = self._converter.payload_converter.from_payload(payloads[0], value_type)
        return value


def _pages(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    start = size = 0
    for position, message in enumerate(messages):
        length = len(message.canonical_json())
        if size + length > _MAX_PAGE_BYTES and position > start:
            yield messages[start:position]
            start, size = position, 0
        size += length
    if start < len(messages):
        yield messages[start:]


def _with_content(message: Message, index: int, content: str) -> Message:
    part = message.parts[index].model_copy(update={"content": content})
    return message.model_copy(update={"parts": (*message.parts[:index], part, *message.parts[index + 1 :])})
