"""Read the agent and the messages that a model call refers to: from the worker's cache, or by query."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.payload_types import TranscriptPage, TranscriptRange, TranscriptSource
from activities.storage.image_loading import ImageLoader
from activities.storage.message_storage import MessageStorage
from activities.storage.transcript_cache import TranscriptCache
from activities.temporal.workflow_queries import query_workflow
from agentkit.errors import TranscriptMismatch, TranscriptSourceGone
from agentkit.messages import Message
from agentkit.specs import AgentSpec
from agentkit.transcript import EMPTY_DIGEST, Segment, Transcript

__all__ = ["TranscriptReader"]

_QUERY_TIMEOUT = timedelta(seconds=30)
_T = TypeVar("_T")


class TranscriptReader:
    """Resolves the references of model calls; what the cache lacks is queried from the workflow that owns it.

    The workflow refers to messages of its earlier runs in payload storage.
    """

    def __init__(self, client: Client, cache: TranscriptCache) -> None:
        self._client = client
        self._cache = cache
        self._storage = MessageStorage(client)
        self._images = ImageLoader(client)

    async def agent(self, task_id: str, agent_hash: str) -> AgentSpec:
        """Return the agent of a task.

        Raises:
            TranscriptMismatch: the workflow has another agent than the one with this hash.
        """
        agent = self._cache.agent(agent_hash)
        if agent is None:
            agent = await self._query(task_id, "agent_spec", None, AgentSpec)
            if agent.hash != agent_hash:
                raise TranscriptMismatch(f"Task {task_id!r} has agent {agent.hash}, not {agent_hash}")
            self._cache.put_agent(agent)
        return agent

    async def messages(self, segments: Sequence[Segment]) -> list[Message]:
        """Return the messages of the segments, in order, verified, with the bytes of their tools' images.

        Raises:
            TranscriptMismatch: the messages found are not the ones referred to.
            PayloadStorageFailed: stored messages can't be read.
        """
        return await self._images.load(await self.recorded_messages(segments))

    async def recorded_messages(self, segments: Sequence[Segment]) -> list[Message]:
        """Return the messages of the segments as ``messages`` does, as they enter the digests: without such bytes."""
        messages: list[Message] = []
        for segment in segments:
            messages += (await self._transcript(segment)).read(segment.start, segment.end)
        return messages

    def keep(self, workflow_id: str, version: int, transcript: Transcript) -> None:
        """Keep a new version of a transcript, of which no workflow has the messages, in place of the one before."""
        self._cache.drop_queried(workflow_id, version - 1)
        self._cache.put_queried(workflow_id, version, transcript)

    async def messages_to_keep(self, segment: Segment) -> Sequence[Message]:
        """Return the messages of the segment as ``messages`` does; keep them when their workflow doesn't."""
        transcript = await self._transcript(segment)
        self._cache.put_queried(segment.workflow_id, segment.version, transcript.copy())
        return transcript.read(segment.start, segment.end)

    async def messages_between(self, workflow_id: str, start: int, end: int, version: int = 1) -> Sequence[Message]:
        """Return messages of a workflow's transcript as it has them, without their images; nothing is kept.

        Raises:
            TranscriptMismatch: it doesn't have so many.
            TranscriptSourceGone: they are those of another workflow, which Temporal has erased.
            PayloadStorageFailed: stored messages can't be read.
        """
        transcript = Transcript(start=start)
        segment = Segment(workflow_id=workflow_id, version=version, start=start, end=end, digest=EMPTY_DIGEST)
        await self._extend(transcript, segment, None)
        return transcript.read()

    async def _transcript(self, segment: Segment) -> Transcript:
        """Return the transcript from its first message up to the segment's end at least."""
        cached = self._cache.transcript(segment)
        if cached is not None and cached.matches(segment):
            return cached
        extends_cached = cached is not None and len(cached) < segment.end
        transcript = cached.copy() if cached is not None and extends_cached else Transcript()
        await self._extend(transcript, segment, self._cache.shared(segment))
        if not transcript.matches(segment):
            # That is no mismatch yet: a reset gives the workflow another past than this process knows.
            transcript = Transcript()
            await self._extend(transcript, segment, None)
        transcript.verify(segment)
        self._cache.put_queried(segment.workflow_id, segment.version, transcript)
        return transcript

    async def _extend(self, transcript: Transcript, segment: Segment, shared: Transcript | None) -> None:
        """Append the messages that the transcript lacks up to the segment's end, page by page."""
        while (start := len(transcript)) < segment.end:
            if shared is not None and shared.start <= start < len(shared):
                transcript.append(*shared.read(start, segment.end))
                continue
            page_range = TranscriptRange(start=start, end=segment.end, version=segment.version)
            page = await self._query(segment.workflow_id, "transcript", page_range, TranscriptPage)
            if page.source is not None:
                transcript.append(*await self._source_messages(page.source, start))
            for stored in page.stored:
                transcript.append(*await self._storage.read(stored, len(transcript), segment.end))
            transcript.append(*page.messages)
            if len(transcript) == start:
                raise TranscriptMismatch(
                    f"Task {segment.workflow_id!r} has {page.total} messages, not {segment.end}, as referenced "
                    f"(version {segment.version})"
                )

    async def _source_messages(self, source: TranscriptSource, start: int) -> Sequence[Message]:
        """Return the messages from ``start`` on that a task has in common with what it goes on from.

        Raises:
            TranscriptSourceGone: Temporal has erased the source.
        """
        segment = Segment(
            workflow_id=source.workflow_id, version=source.version, start=start, end=source.end, digest=source.digest
        )
        try:
            return (await self._transcript(segment)).read(start, source.end)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise TranscriptSourceGone(
                f"{source.workflow_id!r}, whose messages this task goes on from, is gone: Temporal has erased it after "
                "the namespace's retention, or it was deleted. Its messages can't be read any more."
            ) from error

    async def _query(self, task_id: str, name: str, argument: object, result_type: type[_T]) -> _T:
        handle = self._client.get_workflow_handle(task_id)
        args = () if argument is None else (argument,)
        return await query_workflow(handle, name, result_type, args=args, rpc_timeout=_QUERY_TIMEOUT)
