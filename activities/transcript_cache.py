"""Recent transcripts and agents of one worker process, so that model activities need no query."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from cachetools import LRUCache

from agentkit.specs import AgentSpec
from agentkit.transcript import Segment, Transcript

__all__ = ["TranscriptCache"]

_MAX_AGENTS = 256


@dataclass(frozen=True, slots=True)
class _CachedTranscript:
    transcript: Transcript
    size: int
    """Bytes of canonical JSON when it was put here; the workflow's own transcript grows afterwards."""


class TranscriptCache:
    """LRU caches of transcripts (bounded in bytes) and of agents (bounded in number); thread-safe.

    Workflows of this process put their own ``Transcript`` here before each model call. It only grows, and a reader
    takes no more of it than its segment covers. Nothing depends on the cache for correctness: what is missing is
    queried from the workflow, and what is found is verified by its digest.
    """

    def __init__(self, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._transcripts: LRUCache[tuple[str, int], _CachedTranscript] = LRUCache(
            max_bytes, getsizeof=lambda cached: cached.size
        )
        self._agents: LRUCache[str, AgentSpec] = LRUCache(_MAX_AGENTS)

    @property
    def size(self) -> int:
        """Bytes of canonical JSON held."""
        with self._lock:
            return int(self._transcripts.currsize)

    def put(self, task_id: str, version: int, transcript: Transcript, agent: AgentSpec) -> None:
        """Keep a workflow's transcript and agent."""
        self.put_agent(agent)
        self.put_transcript(task_id, version, transcript)

    def put_agent(self, agent: AgentSpec) -> None:
        """Keep an agent under its hash."""
        with self._lock:
            self._agents[agent.hash] = agent

    def put_transcript(self, task_id: str, version: int, transcript: Transcript) -> None:
        """Keep a transcript in place of an earlier one of the same task and version; one too large is not kept."""
        cached = _CachedTranscript(transcript, transcript.size)
        with self._lock:
            self._transcripts.pop((task_id, version), None)
            if cached.size <= self._transcripts.maxsize:
                self._transcripts[task_id, version] = cached

    def agent(self, agent_hash: str) -> AgentSpec | None:
        """Return the agent of that hash, or None."""
        with self._lock:
            return self._agents.get(agent_hash)

    def transcript(self, segment: Segment) -> Transcript | None:
        """Return the transcript that ``segment`` refers to, or None; it is not verified, and may be shorter."""
        with self._lock:
            cached = self._transcripts.get((segment.workflow_id, segment.version))
            return None if cached is None else cached.transcript
