"""Recent transcripts and agents of one worker process, so that model activities need no query."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from weakref import WeakValueDictionary

from cachetools import LRUCache

from agentkit.specs import AgentSpec
from agentkit.transcript import Segment, Transcript

__all__ = ["TranscriptCache"]

_MAX_AGENTS = 256
_MAX_OVERSIZED = 2

_Key = tuple[str, int]
"""Workflow id and version of a transcript."""


@dataclass(frozen=True, slots=True)
class _CachedTranscript:
    transcript: Transcript
    size: int
    """Bytes of canonical JSON when it was put here."""


class TranscriptCache:
    """The transcripts of workflows of this process, and LRU caches of queried ones and of agents; thread-safe.

    Workflows of this process share their own ``Transcript`` before each model call. It only grows, and a reader takes
    no more of it than its segment covers. It is referred to weakly: the workflow holds it in any case, so it takes no
    memory here, and however long it gets, it displaces no other. A queried transcript that is larger than the cache is
    kept in one of a few places for such, since to query it again in each step would take the longer the longer it is.

    Nothing depends on the cache for correctness: what is missing is queried from the workflow, and what is found is
    verified by its digest.
    """

    def __init__(self, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._shared: WeakValueDictionary[_Key, Transcript] = WeakValueDictionary()
        self._queried: LRUCache[_Key, _CachedTranscript] = LRUCache(max_bytes, getsizeof=lambda cached: cached.size)
        self._oversized: LRUCache[_Key, Transcript] = LRUCache(_MAX_OVERSIZED)
        self._agents: LRUCache[str, AgentSpec] = LRUCache(_MAX_AGENTS)

    @property
    def size(self) -> int:
        """Bytes of canonical JSON of the cached queried transcripts; one larger than the cache isn't cached."""
        with self._lock:
            return int(self._queried.currsize)

    def share(self, task_id: str, version: int, transcript: Transcript, agent: AgentSpec) -> None:
        """Cache the transcript and the agent of a workflow that runs in this process."""
        self.put_agent(agent)
        with self._lock:
            if transcript.start == 0:
                self._drop_queried((task_id, version))
            self._shared[task_id, version] = transcript

    def put_agent(self, agent: AgentSpec) -> None:
        """Keep an agent under its hash."""
        with self._lock:
            self._agents[agent.hash] = agent

    def put_queried(self, task_id: str, version: int, transcript: Transcript) -> None:
        """Keep a queried transcript in place of an earlier one of the same task and version."""
        key, cached = (task_id, version), _CachedTranscript(transcript, transcript.size)
        with self._lock:
            self._drop_queried(key)
            if cached.size <= self._queried.maxsize:
                self._queried[key] = cached
            else:
                self._oversized[key] = transcript

    def drop_queried(self, task_id: str, version: int) -> None:
        """Remove a queried transcript."""
        with self._lock:
            self._drop_queried((task_id, version))

    def agent(self, agent_hash: str) -> AgentSpec | None:
        """Return the agent of that hash, or None."""
        with self._lock:
            return self._agents.get(agent_hash)

    def shared(self, segment: Segment) -> Transcript | None:
        """Return the transcript of a workflow of this process, or None; earlier runs may have stored its beginning."""
        with self._lock:
            return self._shared.get((segment.workflow_id, segment.version))

    def transcript(self, segment: Segment) -> Transcript | None:
        """Return the transcript that ``segment`` refers to, or None.

        It begins with the first message. It is not verified, and may be shorter.
        """
        key = (segment.workflow_id, segment.version)
        with self._lock:
            if (shared := self._shared.get(key)) is not None and shared.start == 0:
                return shared
            cached = self._queried.get(key)
            return self._oversized.get(key) if cached is None else cached.transcript

    def _drop_queried(self, key: _Key) -> None:
        self._queried.pop(key, None)
        self._oversized.pop(key, None)
