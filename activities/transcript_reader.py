"""Find what a model call refers to: in this worker's cache, or by asking the workflow that owns it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from temporalio.client import Client

from activities.payload_types import ModelCall, TranscriptPage, TranscriptRange
from agentkit.errors import TranscriptMismatch
from agentkit.messages import Message
from agentkit.specs import AgentSpec
from agentkit.transcript import Segment, Transcript

__all__ = ["TranscriptCache", "TranscriptReader"]

_MAX_AGENTS = 256
_T = TypeVar("_T")
_QUERY_TIMEOUT = timedelta(seconds=30)


class TranscriptCache:
    """Recent transcripts and agents of one worker process; bounded in bytes, oldest use out first; thread-safe.

    Workflows of this process hand over their own ``Transcript`` before each model call (it only ever grows, and a
    reader takes no more than what is referenced), so that here nothing is asked back. It is never needed for
    correctness: what isn't here is queried, and what is here is verified.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._transcripts: OrderedDict[tuple[str, int], tuple[Transcript, int]] = OrderedDict()
        self._agents: OrderedDict[str, AgentSpec] = OrderedDict()
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes of canonical JSON held."""
        return self._bytes

    def remember(self, task_id: str, version: int, transcript: Transcript, agent: AgentSpec) -> None:
        """Keep a workflow's transcript, as it is and as it grows, and its agent."""
        self.keep_agent(agent)
        self.keep_transcript(task_id, version, transcript)

    def keep_agent(self, agent: AgentSpec) -> None:
        """Keep an agent under its hash."""
        with self._lock:
            self._agents[agent.hash] = agent
            self._agents.move_to_end(agent.hash)
            while len(self._agents) > _MAX_AGENTS:
                self._agents.popitem(last=False)

    def keep_transcript(self, task_id: str, version: int, transcript: Transcript) -> None:
        """Keep a transcript; what was kept under the same name before goes."""
        key = (task_id, version)
        with self._lock:
            self._bytes -= self._transcripts.pop(key, (transcript, 0))[1]
            self._transcripts[key] = (transcript, transcript.size)
            self._bytes += transcript.size
            while self._bytes > self._max_bytes:
                _, (_, size) = self._transcripts.popitem(last=False)
                self._bytes -= size

    def agent(self, agent_hash: str) -> AgentSpec | None:
        """Return the agent of that hash, if it is here."""
        with self._lock:
            return self._agents.get(agent_hash)

    def transcript(self, segment: Segment) -> Transcript | None:
        """Return what is here of the transcript that ``segment`` is from; unverified, maybe shorter."""
        key = (segment.workflow_id, segment.version)
        with self._lock:
            if key not in self._transcripts:
                return None
            self._transcripts.move_to_end(key)
            return self._transcripts[key][0]


class TranscriptReader:
    """Reads what model calls refer to."""

    def __init__(self, client: Client, cache: TranscriptCache) -> None:
        self._client = client
        self._cache = cache

    async def agent(self, call: ModelCall) -> AgentSpec:
        """Return the call's agent.

        Raises:
            TranscriptMismatch: the workflow has another agent than the one referenced.
        """
        agent = self._cache.agent(call.agent)
        if agent is None:
            agent = await self._query(call.task_id, "agent_spec", None, AgentSpec)
            if agent.hash != call.agent:
                raise TranscriptMismatch(f"Task {call.task_id!r} has agent {agent.hash}, not {call.agent}")
            self._cache.keep_agent(agent)
        return agent

    async def messages(self, segments: Sequence[Segment]) -> list[Message]:
        """Return the messages of the segments, in order, verified.

        Raises:
            TranscriptMismatch: what was found isn't what was referenced.
        """
        messages: list[Message] = []
        for segment in segments:
            messages += await self._segment(segment)
        return messages

    async def _segment(self, segment: Segment) -> Sequence[Message]:
        kept = self._cache.transcript(segment)
        if kept is not None and kept.matches(segment):
            return kept.read(segment.start, segment.end)
        # Something else under the same name is no mismatch yet: a reset gives a workflow a new past.
        usable = kept is not None and len(kept) < segment.end
        transcript = Transcript(kept.read() if kept is not None and usable else ())
        await self._extend(transcript, segment)
        if usable and not transcript.matches(segment):
            transcript = Transcript()
            await self._extend(transcript, segment)
        transcript.verify(segment)
        self._cache.keep_transcript(segment.workflow_id, segment.version, transcript)
        return transcript.read(segment.start, segment.end)

    async def _extend(self, transcript: Transcript, segment: Segment) -> None:
        while (start := len(transcript)) < segment.end:
            wanted = TranscriptRange(start=start, end=segment.end)
            page = await self._query(segment.workflow_id, "transcript", wanted, TranscriptPage)
            if not page.messages:
                raise TranscriptMismatch(
                    f"Task {segment.workflow_id!r} has {page.total} messages, not {segment.end}, as referenced"
                )
            transcript.append(*page.messages)

    async def _query(self, task_id: str, query: str, arg: object, result: type[_T]) -> _T:
        handle = self._client.get_workflow_handle(task_id)
        args = () if arg is None else (arg,)
        answer: _T = await handle.query(query, args=args, result_type=result, rpc_timeout=_QUERY_TIMEOUT)
        return answer
