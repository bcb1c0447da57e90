"""Timeouts, heartbeats and retry policies of every activity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import RetryPolicy

from agentkit.errors import ModelTimedOut
from agentkit.interfaces import MEMORY_TOOLS, PREPARATION_TIMEOUT_S
from agentkit.specs import ToolSpec

__all__ = [
    "CHECK_INPUT_POLICY",
    "COMPACTION_POLICY",
    "CONVERSATION_POLICY",
    "ERASE_MEMORIES_POLICY",
    "ERASURE_POLICY",
    "EXTRACT_MEMORIES_POLICY",
    "HEARTBEAT_INTERVAL",
    "LIST_MCP_TOOLS_POLICY",
    "MAX_CONCURRENT_ACTIVITIES",
    "MAX_CONCURRENT_MEMORY_ACTIVITIES",
    "MEMORY_HEARTBEAT_TIMEOUT",
    "NOTIFY_INPUT_POLICY",
    "RECALL_MEMORIES_POLICY",
    "STICKY_QUEUE_TIMEOUT",
    "STORING_POLICY",
    "TASK_END_POLICY",
    "ActivityPolicy",
    "fast_tool_policy",
    "longest_attempt",
    "model_policy",
    "probe_policy",
    "tool_policy",
]

HEARTBEAT_INTERVAL = timedelta(seconds=1)
"""How often activities heartbeat, and so how soon a cancellation reaches them."""

MAX_CONCURRENT_ACTIVITIES = 300
"""How many model and tool calls one worker runs at once; tools leave a third of them to models: see
``ToolCallLimits``."""

MAX_CONCURRENT_MEMORY_ACTIVITIES = 50
"""How many calls of long-term memory a worker runs at once; further ones wait in their task queue."""

STICKY_QUEUE_TIMEOUT = timedelta(seconds=1)
"""How long a workflow task waits for the worker that has the workflow cached, before any worker may take it."""

_MAX_LOCAL_S = 2.0
"""Seconds for all attempts of a local activity."""

_HEARTBEAT_TIMEOUT = timedelta(seconds=5)
"""After this long without a heartbeat a worker counts as dead, and its activity is retried a second later."""


MEMORY_HEARTBEAT_TIMEOUT = timedelta(seconds=2.5)
"""The same for calls of long-term memory, which is to be there again 5 s after its owner was killed."""


@dataclass(frozen=True)
class ActivityPolicy:
    """Timeouts and retries of one kind of activity."""

    start_to_close: timedelta
    """Limit of one attempt; for a local activity, of all."""
    retry: RetryPolicy
    schedule_to_start: timedelta | None = None
    """Limit of the wait for a worker; None is no limit: a worker may be deployed days later."""
    heartbeat: timedelta | None = _HEARTBEAT_TIMEOUT
    schedule_to_close: timedelta | None = None
    """Limit of all attempts and the waits between them; None is no limit."""


STORING_POLICY = ActivityPolicy(
    start_to_close=timedelta(minutes=5),
    retry=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=4),
)
"""Of storing messages before a task continues as new. If that fails, the task goes on, and tries again a step later."""


COMPACTION_POLICY = ActivityPolicy(
    start_to_close=timedelta(minutes=15),
    retry=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=4
    ),
)
"""Of shortening a transcript, which may take several requests to a model. If that fails, the task goes on as it is
where it can."""

CONVERSATION_POLICY = ActivityPolicy(
    start_to_close=timedelta(minutes=10),
    retry=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)),
)
"""Of the activities of conversations, without a last attempt: they themselves decide when a turn can't be read."""

TASK_END_POLICY = ActivityPolicy(
    start_to_close=timedelta(seconds=5), retry=RetryPolicy(maximum_attempts=2), heartbeat=None
)
"""Of a look at whether a turn has ended, for which a person waits."""

ERASURE_POLICY = ActivityPolicy(
    start_to_close=timedelta(minutes=10),
    retry=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
)
"""Of erasing what is left of a task or conversation, without a last attempt: each one finds less."""

ERASE_MEMORIES_POLICY = ActivityPolicy(
    start_to_close=timedelta(hours=1), heartbeat=MEMORY_HEARTBEAT_TIMEOUT, retry=ERASURE_POLICY.retry
)
"""Of erasing memories at the end of an erasure, without a last attempt; it waits for a worker that serves memory."""

CHECK_INPUT_POLICY = ActivityPolicy(
    start_to_close=timedelta(minutes=1),
    retry=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10), maximum_attempts=8
    ),
)
"""Of the check of a person's answer, which takes 5 s at most once it is its turn."""

LIST_MCP_TOOLS_POLICY = ActivityPolicy(
    start_to_close=timedelta(minutes=10),
    retry=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10), maximum_attempts=4
    ),
)
"""Of the list of an agent's MCP tools, and the description of some: the settings of each server have its time, and a
retry is for a worker that was lost."""

RECALL_MEMORIES_POLICY = ActivityPolicy(
    start_to_close=timedelta(seconds=10),
    schedule_to_close=timedelta(seconds=10),
    heartbeat=MEMORY_HEARTBEAT_TIMEOUT,
    retry=RetryPolicy(initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=2)),
)
"""Of the recall before a task's first step: without memories in this time, the task goes on without."""

EXTRACT_MEMORIES_POLICY = ActivityPolicy(
    start_to_close=timedelta(minutes=3),
    schedule_to_close=timedelta(minutes=5),
    schedule_to_start=timedelta(seconds=30),
    retry=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=4
    ),
)
"""Of the extraction at a task's end. The task's result waits for it; where it fails, nothing is remembered."""

NOTIFY_INPUT_POLICY = ActivityPolicy(
    start_to_close=timedelta(seconds=20),
    retry=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=15), maximum_attempts=105
    ),
)
"""Of the webhook for an input request: about a day of retries, in which its server may be repaired. Time without a
worker doesn't count."""


def model_policy(*, fallback: bool) -> ActivityPolicy:
    """Return the policy of model requests: about 90 s of retries, longer where the provider sends ``Retry-After``.

    With a ``fallback`` model left in the chain, about 7 s, and none after a timeout.
    """
    return ActivityPolicy(
        start_to_close=timedelta(minutes=10),
        retry=RetryPolicy(
            initial_interval=timedelta(seconds=1),
            maximum_interval=timedelta(seconds=30),
            maximum_attempts=4 if fallback else 8,
            # A server that hangs would use up a minute in each attempt.
            non_retryable_error_types=[ModelTimedOut.__name__] if fallback else None,
        ),
    )


def tool_policy(tool: ToolSpec, *, may_end_workers: bool = False) -> ActivityPolicy:
    """Return the policy of a tool's calls: irreversible ones get one attempt, others up to 4.

    A call that may have ended a worker before gets 2.

    The activity itself ends an attempt ``tool.timeout`` after the tool is ready; Temporal does so 5 s later, should
    that fail. For an external tool Temporal alone does so; its worker heartbeats only if the tool's definition says so.
    """
    repeatable = tool.effect != "irreversible"
    heartbeat: timedelta | None = _HEARTBEAT_TIMEOUT
    start_to_close_s = PREPARATION_TIMEOUT_S + tool.timeout + 5
    if tool.external:
        heartbeat = None if tool.heartbeat is None else timedelta(seconds=tool.heartbeat)
        start_to_close_s = tool.timeout
    elif tool.name in MEMORY_TOOLS and tool.task_queue is not None:
        heartbeat = MEMORY_HEARTBEAT_TIMEOUT
    return ActivityPolicy(
        start_to_close=timedelta(seconds=start_to_close_s),
        schedule_to_start=timedelta(minutes=5) if tool.task_queue else None,
        heartbeat=heartbeat,
        retry=RetryPolicy(
            initial_interval=timedelta(seconds=1),
            maximum_interval=timedelta(seconds=10),
            maximum_attempts=(2 if may_end_workers else 4) if repeatable else 1,
        ),
    )


def probe_policy(tool: ToolSpec) -> ActivityPolicy:
    """Return the policy of a tool's probe: about two minutes of retries."""
    return ActivityPolicy(
        start_to_close=timedelta(seconds=PREPARATION_TIMEOUT_S + tool.timeout + 5),
        schedule_to_start=timedelta(minutes=5),
        retry=RetryPolicy(
            initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=8
        ),
    )


def longest_attempt(tool: ToolSpec) -> timedelta:
    """Return the longest time that an attempt of a call may run, on a worker that nothing can reach."""
    return timedelta(seconds=PREPARATION_TIMEOUT_S + tool.timeout)


def fast_tool_policy(tool: ToolSpec) -> ActivityPolicy:
    """Return the policy of a fast tool's calls: as local activities, well within a workflow task (10 s).

    A workflow task occupies its worker meanwhile: what takes longer is called again, as an activity.
    """
    return ActivityPolicy(
        start_to_close=timedelta(seconds=min(tool.timeout + 1, _MAX_LOCAL_S)),
        retry=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3),
        heartbeat=None,
    )
