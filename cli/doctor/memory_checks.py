"""Check long-term memory: the settings on this machine, and the workers that serve it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Literal

from temporalio.client import ActivityFailureError, Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.memory.memory_queries import SEARCH_MEMORIES_ACTIVITY, FoundMemories, MemorySearch
from activities.settings import Settings
from activities.temporal.payload_storage import PayloadStorageFailed
from activities.temporal.task_queue_pollers import recent_pollers
from agentkit.catalog.catalog import Catalog
from agentkit.config.memory_requirements import missing_memory_requirement
from agentkit.interfaces import MemoryScope, memory_task_queue
from cli.doctor.finding import Finding

__all__ = ["agents_with_memory", "memory_findings", "served_memory_findings"]

_Status = Literal["missing", "note"]

_SUBJECT = "Memory"
_SERVED_SUBJECT = "Memory's workers"
_TIMEOUT = timedelta(seconds=20)
"""Long enough for a worker's first search, which loads the embedding model."""


def agents_with_memory(catalog: Catalog | None) -> list[str]:
    """Return the names of the agents that use long-term memory."""
    agents = catalog.agents.values() if catalog is not None else ()
    return sorted(agent.name for agent in agents if agent.memory.long_term or agent.memory.recall)


def memory_findings(settings: Settings, agents: list[str]) -> list[Finding]:
    """Report what these settings of long-term memory need and this machine lacks; ``agents`` use memory."""
    status: _Status = "missing" if agents else "note"
    users = f" (used by {', '.join(agents)})" if agents else " (no agent uses it)"
    if settings.memory_store == "off":
        return [Finding(_SUBJECT, "note", f"off, by AGENTKIT_LTM_PROVIDER: agents work without it{users}")]
    if missing := missing_memory_requirement(settings):
        return [Finding(_SUBJECT, status, f"{missing}{users}")]
    place = settings.ltm_url if settings.memory_store == "qdrant" else str(settings.memory_dir.absolute())
    return [Finding(_SUBJECT, "ok", f"at {place}, embeddings of {settings.ltm_embeddings}{users}")]


async def served_memory_findings(
    client: Client, settings: Settings, task_queue: str, start_command: str, agents: list[str]
) -> list[Finding]:
    """Report which workers serve long-term memory and, if agents use it, whether a search succeeds.

    A worker's first search loads the embedding model.
    """
    if settings.memory_store == "off":
        return []
    status: _Status = "missing" if agents else "note"
    queue = memory_task_queue(task_queue)
    try:
        pollers = await recent_pollers(client, queue, of_activities=True)
        if not pollers:
            return [Finding(_SERVED_SUBJECT, status, f"none polls task queue {queue!r}", (start_command,))]
        if agents:
            await _search(client, queue)
    except ActivityFailureError as error:
        cause = error.cause
        problem = cause.message if isinstance(cause, ApplicationError) else f"no worker responded ({cause})"
        return [Finding(_SERVED_SUBJECT, status, f"a search failed: {problem}")]
    except PayloadStorageFailed as error:
        return [Finding(_SERVED_SUBJECT, status, f"the result of a search can't be read. {error}")]
    except RPCError as error:
        return [Finding(_SERVED_SUBJECT, "note", f"Temporal refuses to ask them: {error.message}")]
    names = ", ".join(poller.identity for poller in pollers)
    searched = "; a search succeeded" if agents else ""
    return [Finding(_SERVED_SUBJECT, "ok", f"{names} on task queue {queue!r}{searched}")]


async def _search(client: Client, queue: str) -> None:
    scope = MemoryScope.of("user", user=None, agent="")
    await client.execute_activity(
        SEARCH_MEMORIES_ACTIVITY,
        MemorySearch(scope=scope, query="opspawn doctor", limit=1),
        id=f"opspawn-doctor-{uuid.uuid4().hex}",
        task_queue=queue,
        result_type=FoundMemories,
        schedule_to_start_timeout=_TIMEOUT,
        start_to_close_timeout=_TIMEOUT,
        retry_policy=RetryPolicy(maximum_attempts=1),
    )
