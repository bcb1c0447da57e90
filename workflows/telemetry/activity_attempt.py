"""The spans of an attempt of a task's activity: its own, and those of the calls of models that it makes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import JsonValue
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities.memory.memory_payloads import RECALL_MEMORIES_ACTIVITY, RecallResult
from activities.payload_types import (
    MODEL_ACTIVITY,
    PROBE_PREFIX,
    SAMPLE_ACTIVITY,
    TOOL_PREFIX,
    ModelCall,
    ModelReply,
    SamplingCall,
)
from activities.telemetry.content_capture import ContentCapture
from activities.telemetry.gen_ai_content import FINISH_REASONS, BoundedContent
from activities.telemetry.span_sink import AttributeValue, FinishedSpan
from activities.telemetry.task_metrics import TaskMetrics
from agentkit import telemetry as names
from agentkit.errors import ToolError
from agentkit.interfaces import ModelRequest, ModelResponse, ToolOutput
from agentkit.messages import Usage
from agentkit.observed_calls import ObservedEmbeddings, ObservedModelCall
from agentkit.telemetry import TraceParent, provider_name, span_id
from workflows.telemetry.root_span import common_attributes
from workflows.telemetry.task_facts import TaskFacts, root_span_id

__all__ = ["ActivityAttempt", "AttemptReport", "Contents"]

_NS = 1_000_000_000
_USAGE = {
    names.USAGE_INPUT: "input_tokens",
    names.USAGE_OUTPUT: "output_tokens",
    names.USAGE_CACHE_READ: "cached_tokens",
    names.USAGE_CACHE_WRITE: "cache_write_tokens",
    names.USAGE_REASONING: "reasoning_tokens",
}
_LOCAL_PROVIDER = "opspawn"
"""Of embedding models that run in the worker's own process."""

logger = logging.getLogger("opspawn.telemetry")

_Attributes = dict[str, AttributeValue]
Contents = Callable[[BoundedContent], Mapping[str, JsonValue]]
"""Returns contents as attributes. It may take milliseconds, so call it in a thread, in the activity's context; and it
may raise anything, such as for a payload that can't be decoded."""


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """A span that has ended, with the contents that belong to it."""

    span: FinishedSpan
    contents: Contents | None = None
    """None: it has none, or they are not captured."""
    is_inference: bool = False
    """Whether it is a request to a model, which is a log event as well."""


class ActivityAttempt:
    """An attempt that runs. It is the ``CallObserver`` of the activity."""

    def __init__(
        self,
        info: activity.Info,
        args: Sequence[Any],
        facts: TaskFacts,
        metrics: TaskMetrics,
        capture: ContentCapture,
        report: Callable[[AttemptReport], None],
    ) -> None:
        """Start; ``report`` gets each span when it has ended."""
        self._info = info
        self._args = _flat(args)
        self._facts = facts
        self._metrics = metrics
        self._capture = capture
        self._report = report
        self._task_id = info.workflow_id or ""
        self._started = time.time_ns()
        self._own = span_id(self._task_id, info.workflow_run_id, info.activity_id, info.attempt)
        self._is_request = info.activity_type in (MODEL_ACTIVITY, SAMPLE_ACTIVITY)
        self._call: ObservedModelCall | None = None
        """The request to a model, where the activity is nothing else."""
        self._children = 0

    @property
    def span(self) -> TraceParent:
        """The span of the attempt."""
        return TraceParent(self._facts.trace_id, self._own)

    def on_model_call(self, call: ObservedModelCall) -> None:
        """Keep the request of an activity that is nothing else; of others it is a span of its own."""
        if self._is_request:
            self._call = call
            return
        usage = None if call.response is None else call.response.usage
        self._count_request(call.request.model, (call.end_ns - call.start_ns) / _NS, usage, call.error_type)
        span = self._child(
            name=f"chat {_split(call.request.model)[1]}",
            start_ns=call.start_ns,
            end_ns=call.end_ns,
            is_client=True,
            attributes=self._chat(call.request.model, call.response),
            error_type=call.error_type,
        )
        self._report(self._with_messages(span, call.request, call.response))

    def on_embeddings(self, call: ObservedEmbeddings) -> None:
        """Report them as a span under the attempt's."""
        self._metrics.embeddings((call.end_ns - call.start_ns) / _NS, call.model, call.error_type or "")
        provider, model = _split(call.model)
        attributes: _Attributes = {
            names.OPERATION: "embeddings",
            names.PROVIDER: provider_name(provider),
            names.REQUEST_MODEL: model,
            names.EMBEDDING_DIMENSIONS: call.dimension,
        }
        span = self._child(
            name=f"embeddings {model}",
            start_ns=call.start_ns,
            end_ns=call.end_ns,
            is_client=provider != _LOCAL_PROVIDER,
            attributes=attributes,
            error_type=call.error_type,
        )
        self._report(AttemptReport(span))

    def end(self, result: object, error: BaseException | None) -> None:
        """Report that the attempt has ended. It never raises: what the attempt did is done."""
        try:
            self._report_end(result, error)
        except Exception:
            logger.exception("The end of an attempt can't be reported")

    def _report_end(self, result: object, error: BaseException | None) -> None:
        ended, kind = time.time_ns(), self._info.activity_type
        seconds, error_type = (ended - self._started) / _NS, _error_type(error)
        span = FinishedSpan(
            name=kind,
            trace_id=self._facts.trace_id,
            span_id=self._own,
            parent_id=root_span_id(self._task_id),
            start_ns=self._started,
            end_ns=ended,
            attributes={"opspawn.attempt": self._info.attempt, **common_attributes(self._facts, self._task_id)},
            error_type=error_type,
        )
        if self._is_request and isinstance(call := self._args[0], ModelCall | SamplingCall):
            response = result.response if isinstance(result, ModelReply) else None
            self._count_request(call.model, seconds, None if response is None else response.usage, error_type)
            span = replace(span, name=f"chat {_split(call.model)[1]}", is_client=True)
            span = _with(span, self._chat(call.model, response) | {"opspawn.step": call.step})
            self._report(self._with_messages(span, None if self._call is None else self._call.request, response))
        elif kind.startswith(TOOL_PREFIX):
            self._report(self._tool_report(span, kind.removeprefix(TOOL_PREFIX), result))
            self._metrics.tool_call(
                seconds, {**self._facts.labels, "tool": kind.removeprefix(TOOL_PREFIX)}, error_type or ""
            )
        elif kind == RECALL_MEMORIES_ACTIVITY:
            self._report(self._recall_report(replace(span, name="recall"), result))
        elif kind.startswith(PROBE_PREFIX):
            span = replace(span, name=f"probe {kind.removeprefix(PROBE_PREFIX)}")
            self._report(AttemptReport(_with(span, {names.TOOL_NAME: kind.removeprefix(PROBE_PREFIX)})))
        else:
            self._report(AttemptReport(_with(span, {})))

    def _tool_report(self, span: FinishedSpan, tool: str, result: object) -> AttemptReport:
        is_mcp = "/" in tool  # SERVER/TOOL
        attributes: _Attributes = {names.OPERATION: "execute_tool", names.TOOL_NAME: tool}
        attributes |= {names.TOOL_CALL_ID: self._info.activity_id}
        if is_mcp:
            attributes[names.MCP_METHOD] = "tools/call"
            if span.error_type == ToolError.__name__:  # the server's own word for a call that failed: isError
                span = replace(span, error_type="tool_error")
        name = f"{'tools/call' if is_mcp else 'execute_tool'} {tool}"
        span = _with(replace(span, name=name, is_client=is_mcp), attributes)
        if not self._capture.on_spans:
            return AttemptReport(span)
        has_result, value = span.error_type is None, result.value if isinstance(result, ToolOutput) else result

        def contents(content: BoundedContent) -> Mapping[str, JsonValue]:
            arguments = _decoded(self._args[0]) if self._args else None
            written = {names.TOOL_ARGUMENTS: content.value(arguments)}
            return written | ({names.TOOL_RESULT: content.value(_json(value))} if has_result else {})

        return AttemptReport(span, contents)

    def _recall_report(self, span: FinishedSpan, result: object) -> AttemptReport:
        memories = result.memories if isinstance(result, RecallResult) else ()
        attributes: _Attributes = {names.OPERATION: "search_memory", names.MEMORY_COUNT: len(memories)}
        span = _with(span, attributes)
        if not self._capture.on_spans or not memories:
            return AttemptReport(span)
        records: list[JsonValue] = [{"id": each.id, "content": each.text} for each in memories]
        return AttemptReport(span, lambda content: {names.MEMORY_RECORDS: content.value(records)})

    def _with_messages(
        self, span: FinishedSpan, request: ModelRequest | None, response: ModelResponse | None
    ) -> AttemptReport:
        """Return the span of a request to a model with the contents, and with its event."""
        if self._capture.mode == "NO_CONTENT" or request is None:
            return AttemptReport(span)

        def contents(content: BoundedContent) -> Mapping[str, JsonValue]:
            written = {names.INPUT_MESSAGES: content.messages(request.messages)}
            if request.system:
                written[names.SYSTEM_INSTRUCTIONS] = content.instructions(request.system)
            if request.tools:
                written[names.TOOL_DEFINITIONS] = content.tools(request.tools)
            if response is not None:
                written[names.OUTPUT_MESSAGES] = content.response(response)
            return written

        return AttemptReport(span, contents, is_inference=True)

    def _chat(self, model: str, response: ModelResponse | None) -> _Attributes:
        provider, name = _split(model)
        attributes: _Attributes = {
            names.OPERATION: "chat",
            names.PROVIDER: provider_name(provider),
            names.REQUEST_MODEL: name,
        }
        if response is None:
            return attributes
        usage = response.usage
        attributes |= {name: getattr(usage, field) for name, field in _USAGE.items() if getattr(usage, field)}
        attributes |= {} if usage.cost_usd is None else {"opspawn.cost_usd": usage.cost_usd}
        return attributes | {names.FINISH_REASONS: [FINISH_REASONS[response.stop_reason]]}

    def _count_request(self, model: str, seconds: float, usage: Usage | None, error_type: str | None) -> None:
        provider, name = _split(model)
        labels = {**self._facts.labels, "provider": provider, "model": name}
        self._metrics.model_request(seconds, labels, usage, error_type or "")

    def _child(self, *, attributes: Mapping[str, AttributeValue], **fields: Any) -> FinishedSpan:
        self._children += 1
        span = FinishedSpan(
            trace_id=self._facts.trace_id,
            span_id=span_id(self._own, self._children),
            parent_id=self._own,
            attributes=common_attributes(self._facts, self._task_id),
            **fields,
        )
        return _with(span, attributes)


def _with(span: FinishedSpan, attributes: Mapping[str, AttributeValue]) -> FinishedSpan:
    error = {} if span.error_type is None else {names.ERROR_TYPE: span.error_type}
    return replace(span, attributes={**span.attributes, **attributes, **error})


def _split(model: str) -> tuple[str, str]:
    """Return the provider and the model of ``provider:name``; a name without provider is one of our own."""
    provider, separator, name = model.partition(":")
    return (provider, name) if separator else (_LOCAL_PROVIDER, model)


def _error_type(error: BaseException | None) -> str | None:
    if isinstance(error, ApplicationError) and error.type:
        return error.type
    return None if error is None else type(error).__name__


def _flat(args: Sequence[Any]) -> Sequence[Any]:
    """Return the arguments of an activity; a dynamic one gets all of them as one list."""
    return args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args


def _decoded(argument: object) -> JsonValue:
    """Return the arguments of a tool call, which the dynamic activity gets as a payload."""
    if not isinstance(argument, RawValue):
        return _json(argument)
    return _json(activity.payload_converter().from_payload(argument.payload))


def _json(value: object) -> JsonValue:
    """Return plain JSON as it is, and of other values their text."""
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)
