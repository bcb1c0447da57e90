"""The span ``invoke_agent`` of an ended task: made by the worker that ended it, or the API that terminated it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime

from temporalio.client import Client

from activities.settings import inherited_environment
from activities.telemetry.span_sink import FinishedSpan, SpanSink, open_span_sink
from agentkit import telemetry as names
from workflows.telemetry.task_facts import TaskFacts, TaskFactsCache, root_span_id

__all__ = ["TerminatedTaskSpans", "common_attributes", "root_span", "terminated_task_spans"]

_NS = 1_000_000_000


def common_attributes(facts: TaskFacts, task_id: str) -> Mapping[str, str]:
    """Return the attributes of each span of a task."""
    conversation = {} if facts.conversation is None else {names.CONVERSATION_ID: facts.conversation}
    return {
        names.AGENT_NAME: facts.agent,
        names.TASK_ID: task_id,
        "opspawn.tenant": facts.tenant,
        **conversation,
    }


def root_span(
    facts: TaskFacts,
    task_id: str,
    status: str,
    *,
    since: float,
    until: float,
    steps: int = 0,
    error_type: str | None = None,
) -> FinishedSpan:
    """Return the span of a task that ran between two times, in seconds since 1970."""
    error = {} if error_type is None else {names.ERROR_TYPE: error_type}
    return FinishedSpan(
        name=f"invoke_agent {facts.agent}",
        trace_id=facts.trace_id,
        span_id=root_span_id(task_id),
        parent_id=facts.parent_id,
        start_ns=int(since * _NS),
        end_ns=int(until * _NS),
        attributes={
            names.OPERATION: "invoke_agent",
            "opspawn.status": status,
            "opspawn.steps": steps,
            **common_attributes(facts, task_id),
            **error,
        },
        error_type=error_type,
    )


class TerminatedTaskSpans:
    """Exports the spans of tasks that the API terminates, since no worker sees their end."""

    def __init__(self, facts: TaskFactsCache, sink: SpanSink) -> None:
        self._facts = facts
        self._sink = sink

    async def export(self, task_id: str, since: datetime, steps: int) -> None:
        """Export the span of a task that was terminated now."""
        until = time.time()
        facts = await self._facts.of(task_id)
        self._sink.export(root_span(facts, task_id, "terminated", since=since.timestamp(), until=until, steps=steps))

    async def aclose(self) -> None:
        """Export what is left; this may take some seconds."""
        await asyncio.to_thread(self._sink.close)


def terminated_task_spans(client: Client) -> TerminatedTaskSpans | None:
    """Return what exports them; None where ``OTEL_*`` names no receiver."""
    sink = open_span_sink(inherited_environment())
    return None if sink is None else TerminatedTaskSpans(TaskFactsCache(client), sink)
