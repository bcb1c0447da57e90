"""Spans and metrics of a worker's tasks: one trace a task, whose ids derive from those of task, call and attempt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.runtime import Runtime
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from activities.memory.memory_payloads import RECALL_MEMORIES_ACTIVITY
from activities.payload_types import MODEL_ACTIVITY, TOOL_PREFIX, ModelCall, ModelReply
from activities.settings import Settings, inherited_environment
from activities.telemetry.span_sink import FinishedSpan, SpanSink, open_span_sink
from activities.telemetry.task_metrics import TaskMetrics
from agentkit import telemetry as names
from agentkit.messages import Usage
from agentkit.telemetry import TraceParent, span_id, tracing_as
from workflows.task_types import WORKFLOW_TYPE
from workflows.telemetry.task_facts import TaskFacts, TaskFactsCache, root_span_id
from workflows.telemetry.task_reports import REPORT, TaskReport, TaskReporting

__all__ = ["WorkerTelemetry", "worker_telemetry"]

_NS = 1_000_000_000
_USAGE = {
    names.USAGE_INPUT: "input_tokens",
    names.USAGE_OUTPUT: "output_tokens",
    names.USAGE_CACHE_READ: "cached_tokens",
    names.USAGE_CACHE_WRITE: "cache_write_tokens",
    names.USAGE_REASONING: "reasoning_tokens",
}


def worker_telemetry(client: Client, settings: Settings) -> Sequence[SimplePlugin]:
    """Return what reports a worker's tasks; nothing, unless ``OTEL_*`` or the setting ``worker_metrics`` ask for it."""
    sink = open_span_sink(inherited_environment())
    if sink is None and settings.worker_metrics is None:
        return ()
    parts = WorkerTelemetry(TaskFactsCache(client), TaskMetrics(Runtime.default().metric_meter), sink)
    return (SimplePlugin("opspawn.telemetry", interceptors=[parts], run_context=parts.running),)


class WorkerTelemetry(Interceptor):
    """Reports what a worker does. A failure to report fails no task."""

    def __init__(self, facts: TaskFactsCache, metrics: TaskMetrics, sink: SpanSink | None) -> None:
        self.facts = facts
        self.metrics = metrics
        self._sink = sink
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reporting: set[asyncio.Task[None]] = set()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Report each attempt of an activity when it ends."""
        return _ReportedActivities(next, self)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        """Report the end of each task, from the thread that runs its workflow."""
        input.unsafe_extern_functions[REPORT] = self._report
        return TaskReporting

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take reports of workflows meanwhile, and export what is left at the end."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            await asyncio.sleep(0)  # reports that were handed over become tasks
            await asyncio.gather(*self._reporting, return_exceptions=True)
            if self._sink is not None:
                await asyncio.to_thread(self._sink.close)

    def export(self, span: FinishedSpan) -> None:
        """Export a span, where traces are on."""
        if self._sink is not None:
            self._sink.export(span)

    def _report(self, report: TaskReport) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._start_reporting, report)

    def _start_reporting(self, report: TaskReport) -> None:
        task = asyncio.create_task(self._report_task(report))
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)

    async def _report_task(self, report: TaskReport) -> None:
        at = report.at or time.time()
        facts = await self.facts.of(report.task_id)
        if report.kind == "started":
            self.metrics.task_started(at - report.since, facts.labels)
        elif report.kind == "answered":
            self.metrics.input_request_ended(at - report.since, facts.labels, report.status)
            self.export(_wait_span(facts, report))
        else:
            self.metrics.task_ended(at - report.since, facts.labels, report.status)
            self.export(_task_span(facts, report, at))


class _ReportedActivities(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, reported: WorkerTelemetry) -> None:
        super().__init__(next)
        self._reported = reported

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Run an attempt of an activity as a span of its own."""
        info = activity.info()
        if info.workflow_id is None or info.workflow_type != WORKFLOW_TYPE:
            return await self.next.execute_activity(input)
        facts = await self._reported.facts.of(info.workflow_id)
        started = time.time_ns()
        own = span_id(info.workflow_id, info.workflow_run_id, info.activity_id, info.attempt)
        with tracing_as(TraceParent(facts.trace_id, own)):
            try:
                result = await self.next.execute_activity(input)
            except BaseException as error:
                name = error.type if isinstance(error, ApplicationError) and error.type else type(error).__name__
                self._end(facts, own, started, input, None, name)
                raise
        self._end(facts, own, started, input, result, None)
        return result

    def _end(
        self, facts: TaskFacts, own: int, started: int, input: ExecuteActivityInput, result: object, error: str | None
    ) -> None:
        info, ended = activity.info(), time.time_ns()
        seconds, kind = (ended - started) / _NS, info.activity_type
        name, is_client = kind, False
        attributes: dict[str, str | int | float] = {"opspawn.attempt": info.attempt, **_common(facts, info.workflow_id)}
        if kind == MODEL_ACTIVITY and isinstance(call := input.args[0], ModelCall):
            usage = result.response.usage if isinstance(result, ModelReply) else None
            provider, _, model = call.model.partition(":")
            labels = {**facts.labels, "provider": provider, "model": model}
            self._reported.metrics.model_request(seconds, labels, usage, error or "")
            attributes |= {names.OPERATION: "chat", names.PROVIDER: provider, names.REQUEST_MODEL: model}
            attributes |= {"opspawn.step": call.step, **_usage(usage)}
            name, is_client = f"chat {model}", True
        elif kind.startswith(TOOL_PREFIX):
            tool = kind.removeprefix(TOOL_PREFIX)
            self._reported.metrics.tool_call(seconds, {**facts.labels, "tool": tool}, error or "")
            is_client = "/" in tool  # SERVER/TOOL
            attributes |= {names.OPERATION: "execute_tool", names.TOOL_NAME: tool}
            attributes |= {names.TOOL_CALL_ID: info.activity_id}
            attributes |= {names.MCP_METHOD: "tools/call"} if is_client else {}
            name = f"{'tools/call' if is_client else 'execute_tool'} {tool}"
        elif kind == RECALL_MEMORIES_ACTIVITY:
            name = "recall"
        attributes |= {} if error is None else {names.ERROR_TYPE: error}
        self._reported.export(
            FinishedSpan(
                name=name,
                trace_id=facts.trace_id,
                span_id=own,
                parent_id=root_span_id(info.workflow_id or ""),
                start_ns=started,
                end_ns=ended,
                is_client=is_client,
                attributes=attributes,
                error_type=error,
            )
        )


def _common(facts: TaskFacts, task_id: str | None) -> dict[str, str | int | float]:
    conversation = {} if facts.conversation is None else {names.CONVERSATION_ID: facts.conversation}
    return {
        names.AGENT_NAME: facts.agent,
        names.TASK_ID: task_id or "",
        "opspawn.tenant": facts.tenant,
        **conversation,
    }


def _usage(usage: Usage | None) -> dict[str, int | float]:
    if usage is None:
        return {}
    counts = {name: getattr(usage, field) for name, field in _USAGE.items() if getattr(usage, field)}
    return counts if usage.cost_usd is None else {**counts, "opspawn.cost_usd": usage.cost_usd}


def _task_span(facts: TaskFacts, report: TaskReport, at: float) -> FinishedSpan:
    error = {} if report.error_type is None else {names.ERROR_TYPE: report.error_type}
    return FinishedSpan(
        name=f"invoke_agent {facts.agent}",
        trace_id=facts.trace_id,
        span_id=root_span_id(report.task_id),
        parent_id=facts.parent_id,
        start_ns=int(report.since * _NS),
        end_ns=int(at * _NS),
        attributes={
            names.OPERATION: "invoke_agent",
            "opspawn.status": report.status,
            "opspawn.steps": report.steps,
            **_common(facts, report.task_id),
            **error,
        },
        error_type=report.error_type,
    )


def _wait_span(facts: TaskFacts, report: TaskReport) -> FinishedSpan:
    return FinishedSpan(
        name=f"wait {report.status}",
        trace_id=facts.trace_id,
        span_id=span_id(report.task_id, report.id, report.since),
        parent_id=root_span_id(report.task_id),
        start_ns=int(report.since * _NS),
        end_ns=int(report.at * _NS),
        attributes={"opspawn.input_request.id": report.id, **_common(facts, report.task_id)},
    )
