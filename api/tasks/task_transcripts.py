"""Read the transcripts of tasks: from their workflows, and from where earlier runs stored messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from activities.erasure_payloads import ERASURE_TYPES
from activities.payload_types import StoredMessages, TranscriptPage, TranscriptRange, TranscriptSource
from activities.storage.message_storage import MessageStorage
from activities.temporal.payload_storage import PayloadStorageFailed
from agentkit.messages import Message
from api.tasks.errors import PayloadUnavailable, VersionNotFound
from api.tasks.payload_decoding import payload_unavailable
from api.tasks.task_snapshot import TranscriptSlice
from api.tasks.task_workflows import TaskHandle
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.workers.worker_queries import WorkerQueries

__all__ = ["TaskTranscripts", "transcript_slice"]


class TaskTranscripts:
    """Reads transcripts, within ``calling_temporal``.

    Every method may raise WorkerUnavailable, because only workers can read a transcript, and PayloadUnavailable where
    messages can't be read.
    """

    def __init__(self, client: Client, queries: WorkerQueries) -> None:
        self._client = client
        self._queries = queries

    async def page(
        self, handle: TaskHandle, execution: WorkflowExecution, page_range: TranscriptRange
    ) -> TranscriptPage:
        """Return the messages of a range, fewer when they are large, as they enter the digests."""
        page = await self._queries.query(handle, execution, "transcript", TranscriptPage, page_range)
        if page.source is not None:
            source = await self._source_page(page.source, page_range)
            of_task = {"total": page.total, "version": page.version, "versions": page.versions}
            return source.model_copy(update=of_task)
        if not page.stored:
            return page
        try:
            messages = await self._stored_messages(page.stored, page_range)
        except PayloadStorageFailed as error:
            raise payload_unavailable(error) from error
        return page.model_copy(update={"messages": messages, "stored": ()})

    async def _stored_messages(
        self, stored: Sequence[StoredMessages], page_range: TranscriptRange
    ) -> tuple[Message, ...]:
        """Return the messages of a range that stored pages have, as many as fit."""
        storage = MessageStorage(self._client)
        messages: list[Message] = []
        size = 0
        for page in stored:
            if page_range.end is not None and page.start >= page_range.end:
                break
            for message in await storage.read(page, max(page_range.start, page.start), page_range.end):
                size += len(message.canonical_json())
                if messages and size > page_range.max_bytes:
                    return tuple(messages)
                messages.append(message)
        return tuple(messages)

    async def _source_page(self, other: TranscriptSource, page_range: TranscriptRange) -> TranscriptPage:
        """Return messages that a task has in common with the transcript it goes on from, from there."""
        source = self._client.get_workflow_handle(other.workflow_id)
        end = other.end if page_range.end is None else min(page_range.end, other.end)
        try:
            execution = await source.describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise _source_gone(other) from error
        if execution.workflow_type in ERASURE_TYPES:
            raise _source_gone(other)
        source_range = page_range.model_copy(update={"end": end, "version": other.version})
        return await self.page(source, execution, source_range)

    async def messages(
        self, handle: TaskHandle, execution: WorkflowExecution, *, start: int = 0, version: int | None = None
    ) -> AsyncIterator[Message]:
        """Yield all messages from ``start`` on, of the newest version unless another is given."""
        total = start + 1
        while start < total:
            page = await self.page(handle, execution, TranscriptRange(start=start, version=version))
            for message in page.messages:
                yield message
            if not page.messages:
                return
            start, total = start + len(page.messages), page.total


def _source_gone(source: TranscriptSource) -> PayloadUnavailable:
    return PayloadUnavailable(
        f"{source.workflow_id!r}, whose messages this task goes on from, is gone: it was erased, or Temporal has "
        "deleted it after the namespace's retention. Their common messages can't be read any more."
    )


def transcript_slice(page: TranscriptPage) -> TranscriptSlice:
    """Return a page of a transcript as clients get it.

    Raises:
        VersionNotFound: the transcript has no such version.
    """
    if page.version > page.versions:
        raise VersionNotFound(page.version, page.versions)
    end = page.start + len(page.messages)
    next_start = end if page.messages and end < page.total else None
    messages = tuple(message.without_claims() for message in page.messages)
    return TranscriptSlice(page.start, messages, page.total, next_start, page.version, page.versions)
