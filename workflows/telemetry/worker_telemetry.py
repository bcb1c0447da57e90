"""Spans and metrics of a worker's tasks: one trace a task, whose ids derive from those of task, call and attempt."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pydantic import JsonValue
from temporalio import activity
from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.runtime import Runtime
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from activities.settings import Settings, inherited_environment
from activities.telemetry.content_capture import ContentCapture, content_mode
from activities.telemetry.event_sink import EventSink, FinishedEvent, open_event_sink
from activities.telemetry.gen_ai_content import BoundedContent, as_json
from activities.telemetry.span_sink import AttributeValue, FinishedSpan, SpanSink, open_span_sink
from activities.telemetry.task_metrics import TaskMetrics
from activities.tenants.tenant_settings import OTHER_TENANTS
from agentkit import telemetry as names
from agentkit.catalog.catalog import agent_names
from agentkit.interfaces import DEFAULT_TENANT, NoSecrets, Secrets
from agentkit.observed_calls import ObservedEmbeddings, ObservedModelCall, observing
from agentkit.telemetry import span_id, tracing_as
from workflows.task_types import WORKFLOW_TYPE
from workflows.telemetry.activity_attempt import ActivityAttempt, AttemptReport
from workflows.telemetry.root_span import common_attributes, root_span
from workflows.telemetry.task_facts import TaskFacts, TaskFactsCache, root_span_id
from workflows.telemetry.task_reports import REPORT, TaskReport, TaskReporting

__all__ = ["WorkerTelemetry", "worker_telemetry"]

_NS = 1_000_000_000

logger = logging.getLogger("opspawn.telemetry")


def worker_telemetry(client: Client, settings: Settings, secrets: Secrets | None = None) -> Sequence[SimplePlugin]:
    """Return what reports a worker's tasks; nothing, unless ``OTEL_*`` or the setting ``worker_metrics`` ask for it.

    The values of ``secrets`` are redacted.
    """
    environment = inherited_environment()
    capture = ContentCapture(content_mode(environment), secrets or NoSecrets())
    sink = open_span_sink(environment, with_content=capture.on_spans)
    events = open_event_sink(environment) if capture.on_events else None
    if sink is None and events is None and settings.worker_metrics is None:
        return ()
    known = {"agent": agent_names(settings.app_dir), "tenant": {DEFAULT_TENANT, *settings.tenants} - {OTHER_TENANTS}}
    metrics = TaskMetrics(Runtime.default().metric_meter, known)
    parts = WorkerTelemetry(TaskFactsCache(client), metrics, sink, events, capture)
    return (SimplePlugin("opspawn.telemetry", interceptors=[parts], run_context=parts.running),)


class WorkerTelemetry(Interceptor):
    """Reports what a worker does. A failure to report fails no task."""

    def __init__(
        self,
        facts: TaskFactsCache,
        metrics: TaskMetrics,
        sink: SpanSink | None,
        events: EventSink | None = None,
        capture: ContentCapture = ContentCapture(),  # noqa: B008  stateless
    ) -> None:
        self.facts = facts
        self.metrics = metrics
        self.capture = capture
        self._sink = sink
        self._events = events
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
            for sink in (self._sink, self._events):
                if sink is not None:
                    await asyncio.to_thread(sink.close)

    def report_attempt(self, report: AttemptReport) -> None:
        """Export the span of an attempt; its contents are made in a thread, as they may be long."""
        if report.contents is None:
            self.export(report.span)
        else:
            self._start(asyncio.to_thread(self._export_contents, report))

    def export(self, span: FinishedSpan) -> None:
        """Export a span, where traces are on, without secrets."""
        if self._sink is None:
            return
        attributes = {name: self._redacted(value) for name, value in span.attributes.items()}
        self._sink.export(replace(span, name=str(self._redacted(span.name)), attributes=attributes))

    def _redacted(self, value: AttributeValue) -> AttributeValue:
        return self.capture.secrets.redact_text(value) if isinstance(value, str) else value

    def _export_contents(self, report: AttemptReport) -> None:
        contents: Mapping[str, JsonValue] = {}
        try:
            contents = {} if report.contents is None else report.contents(BoundedContent(self.capture.secrets))
        except Exception:  # contents may have anything in them, and the span matters more
            logger.exception("The contents of a span can't be captured")
        span = report.span
        if report.is_inference and self._events is not None:
            attributes: dict[str, Any] = {name: self._redacted(value) for name, value in span.attributes.items()}
            self._events.export(
                FinishedEvent(
                    name=names.INFERENCE_DETAILS,
                    trace_id=span.trace_id,
                    span_id=span.span_id,
                    at_ns=span.end_ns,
                    attributes={**attributes, **contents},
                )
            )
        written = {name: as_json(value) for name, value in contents.items()} if self.capture.on_spans else {}
        self.export(replace(span, attributes={**span.attributes, **written}))

    def _report(self, report: TaskReport) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._start_reporting, report)

    def _start_reporting(self, report: TaskReport) -> None:
        self._start(self._report_task(report))

    def _start(self, reporting: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(reporting)
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
            self.export(
                root_span(
                    facts,
                    report.task_id,
                    report.status,
                    since=report.since,
                    until=at,
                    steps=report.steps,
                    error_type=report.error_type,
                )
            )


class _ReportedActivities(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, reported: WorkerTelemetry) -> None:
        super().__init__(next)
        self._reported = reported

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Run an attempt of an activity as a span of its own; of one without a task only embeddings are counted."""
        info, reported = activity.info(), self._reported
        if info.workflow_id is None or info.workflow_type != WORKFLOW_TYPE:
            with observing(_EmbeddingCounts(reported.metrics)):
                return await self.next.execute_activity(input)
        facts = await reported.facts.of(info.workflow_id)
        attempt = ActivityAttempt(info, input.args, facts, reported.metrics, reported.capture, reported.report_attempt)
        with tracing_as(attempt.span), observing(attempt):
            try:
                result = await self.next.execute_activity(input)
            except BaseException as error:
                attempt.end(None, error)
                raise
        attempt.end(result, None)
        return result


class _EmbeddingCounts:
    """The ``CallObserver`` of activities without a task."""

    def __init__(self, metrics: TaskMetrics) -> None:
        self._metrics = metrics

    def on_model_call(self, call: ObservedModelCall) -> None:
        """Leave it out: it is of no agent."""

    def on_embeddings(self, call: ObservedEmbeddings) -> None:
        """Count them."""
        self._metrics.embeddings((call.end_ns - call.start_ns) / _NS, call.model, call.error_type or "")


def _wait_span(facts: TaskFacts, report: TaskReport) -> FinishedSpan:
    return FinishedSpan(
        name=f"wait {report.status}",
        trace_id=facts.trace_id,
        span_id=span_id(report.task_id, report.id, report.since),
        parent_id=root_span_id(report.task_id),
        start_ns=int(report.since * _NS),
        end_ns=int(report.at * _NS),
        attributes={"opspawn.input_request.id": report.id, **common_attributes(facts, report.task_id)},
    )
