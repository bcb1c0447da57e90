"""The one table of timeouts, heartbeats and retry policies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import RetryPolicy

from agentkit.specs import ToolSpec

__all__ = [
    "HEARTBEAT_EVERY",
    "SLOTS",
    "STICKY",
    "STOPPING",
    "Policy",
    "fast_tool_policy",
    "model_policy",
    "tool_policy",
]

HEARTBEAT_EVERY = timedelta(seconds=1)
"""How often activities heartbeat, and so how soon a cancellation reaches them."""

SLOTS = 100
"""Model and tool calls that one worker has under way at once."""

STICKY = timedelta(seconds=1)
"""How long a task waits for the worker that had it cached, before another takes it."""

STOPPING = timedelta(seconds=5)
"""What running activities get to end by themselves on shutdown; afterwards they are cancelled, and retried."""

_LOST_AFTER = timedelta(seconds=10)
"""A worker that has not heartbeat for this long is taken for dead."""


@dataclass(frozen=True)
class Policy:
    """How long one kind of activity may take, and how often it is tried."""

    start_to_close: timedelta
    """One attempt."""
    retry: RetryPolicy
    schedule_to_start: timedelta | None = None
    """Waiting for a worker; None waits for as long as it takes to deploy one."""
    heartbeat: timedelta | None = _LOST_AFTER


def model_policy(*, fallback: bool) -> Policy:
    """Return how a model is asked: about 90 s of retries, unless the provider says how long to wait.

    With a ``fallback`` to ask next, 7 s of them.
    """
    return Policy(
        start_to_close=timedelta(minutes=10),
        retry=RetryPolicy(
            initial_interval=timedelta(seconds=1),
            maximum_interval=timedelta(seconds=30),
            maximum_attempts=4 if fallback else 8,
        ),
    )


def tool_policy(tool: ToolSpec) -> Policy:
    """Return how a tool is called: irreversible ones once, others up to 4 times.

    The activity itself ends an attempt at ``tool.timeout``; Temporal steps in 5 s later, if it can't.
    """
    repeatable = tool.effect != "irreversible"
    return Policy(
        start_to_close=timedelta(seconds=tool.timeout + 5),
        schedule_to_start=timedelta(minutes=5) if tool.task_queue else None,
        retry=RetryPolicy(
            initial_interval=timedelta(seconds=1),
            maximum_interval=timedelta(seconds=10),
            maximum_attempts=4 if repeatable else 1,
        ),
    )


def fast_tool_policy(tool: ToolSpec) -> Policy:
    """Return how a fast tool is called, as a local activity: it must fit well into a workflow task (10 s)."""
    return Policy(
        start_to_close=timedelta(seconds=min(tool.timeout, 5.0)),
        retry=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3),
        heartbeat=None,
    )
