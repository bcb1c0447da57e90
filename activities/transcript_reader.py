"""Read the agent and the messages that a model call refers to: from the worker's cache, or by query."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from temporalio.client import Client

from activities.payload_types import ModelCall, TranscriptPage, TranscriptRange
from activities.transcript_cache import TranscriptCache
from agentkit.errors import TranscriptMismatch
from agentkit.messages import Message
from agentkit.specs import AgentSpec
from agentkit.transcript import Segment, Transcript

__all__ = ["TranscriptReader"]

_QUERY_TIMEOUT = timedelta(seconds=30)
_T = TypeVar("_T")


class TranscriptReader:
    """Resolves the references of model calls; what the cache lacks is queried from the workflow that owns it."""

    def __init__(self, client: Client, cache: TranscriptCache) -> None:
        self._client = client
        self._cache = cache

    async def agent(self, call: ModelCall) -> AgentSpec:
        """Return the agent of the call.

        Raises:
            TranscriptMismatch: the workflow has another agent than the call refers to.
        """
        agent = self._cache.agent(call.agent_hash)
        if agent is None:
            agent = await self._query(call.task_id, "agent_spec", None, AgentSpec)
            if agent.hash != call.agent_hash:
                raise TranscriptMismatch(f"Task {call.task_id!r} has agent {agent.hash}, not {call.agent_hash}")
            self._cache.put_agent(agent)
        return agent

    async def messages(self, segments: Sequence[Segment]) -> list[Message]:
        """Return the messages of the segments, in order, verified.

        Raises:
            TranscriptMismatch: the messages found are not the ones referred to.
        """
        messages: list[Message] = []
        for segment in segments:
            messages += await self._read(segment)
        return messages

    async def _read(self, segment: Segment) -> Sequence[Message]:
        cached = self._cache.transcript(segment)
        if cached is not None and cached.matches(segment):
            return cached.read(segment.start, segment.end)
        # A cached transcript with another digest is no mismatch yet: a reset gives the workflow another past.
        extends_cached = cached is not None and len(cached) < segment.end
        transcript = Transcript(cached.read() if cached is not None and extends_cached else ())
        await self._extend(transcript, segment)
        if extends_cached and not transcript.matches(segment):
            transcript = Transcript()
            await self._extend(transcript, segment)
        transcript.verify(segment)
        self._cache.put_queried(segment.workflow_id, segment.version, transcript)
        return transcript.read(segment.start, segment.end)

    async def _extend(self, transcript: Transcript, segment: Segment) -> None:
        """Append the messages that the transcript lacks up to the segment's end, page by page."""
        while (start := len(transcript)) < segment.end:
            page_range = TranscriptRange(start=start, end=segment.end)
            page = await self._query(segment.workflow_id, "transcript", page_range, TranscriptPage)
            if not page.messages:
                raise TranscriptMismatch(
                    f"Task {segment.workflow_id!r} has {page.total} messages, not {segment.end}, as referenced"
                )
            transcript.append(*page.messages)

    async def _query(self, task_id: str, name: str, argument: object, result_type: type[_T]) -> _T:
        handle = self._client.get_workflow_handle(task_id)
        args = () if argument is None else (argument,)
        result: _T = await handle.query(name, args=args, result_type=result_type, rpc_timeout=_QUERY_TIMEOUT)
        return result
