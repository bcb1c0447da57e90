from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from temporalio.common import MetricMeter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.payload_types import COMPACT_ACTIVITY
from activities.telemetry.content_capture import ContentCapture
from activities.telemetry.gen_ai_content import BoundedContent
from activities.telemetry.task_metrics import TaskMetrics
from agentkit.interfaces import ModelRequest, ModelResponse, NoSecrets, ToolOutput
from agentkit.messages import Message, TextPart, Usage, user_message
from agentkit.observed_calls import ObservedEmbeddings, ObservedModelCall
from workflows.telemetry.activity_attempt import ActivityAttempt, AttemptReport
from workflows.telemetry.task_facts import TaskFacts

FACTS = TaskFacts(trace_id=7, agent="buyer", tenant="acme", conversation="conversation-1")


class CountedMetrics(TaskMetrics):
    """Keeps what is counted of requests to models."""

    def __init__(self) -> None:
        super().__init__(MetricMeter.noop)
        self.requests: list[tuple[Mapping[str, str], Usage | None, str]] = []

    def model_request(self, seconds: float, labels: dict[str, str], usage: Usage | None, error_type: str) -> None:
        self.requests.append((labels, usage, error_type))


def attempt_of(
    activity_type: str, *args: Any, capture: ContentCapture | None = None
) -> tuple[ActivityAttempt, list[AttemptReport], CountedMetrics]:
    """Return an attempt that runs, and what it will report and count."""
    reports, metrics = list[AttemptReport](), CountedMetrics()
    info = replace(ActivityEnvironment.default_info(), activity_type=activity_type, activity_id="call-1", attempt=2)
    return ActivityAttempt(info, args, FACTS, metrics, capture or ContentCapture(), reports.append), reports, metrics


def test_the_call_of_an_mcp_tool_is_as_the_conventions_say() -> None:
    attempt, reports, _ = attempt_of("tool.github/search", {"q": "x"})
    attempt.end(None, ApplicationError("no such thing", type="ToolError"))
    (report,) = reports
    assert (report.span.name, report.span.is_client, report.span.error_type) == (
        "tools/call github/search",
        True,
        "tool_error",
    )
    assert report.span.attributes == {
        "opspawn.attempt": 2,
        "gen_ai.agent.name": "buyer",
        "opspawn.task.id": "test",
        "opspawn.tenant": "acme",
        "gen_ai.conversation.id": "conversation-1",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "github/search",
        "gen_ai.tool.call.id": "call-1",
        "mcp.method.name": "tools/call",
        "error.type": "tool_error",
    }
    assert report.contents is None


@pytest.mark.parametrize("result", ["open", ToolOutput(value="open")])
def test_arguments_and_results_are_contents_only_on_spans(result: object) -> None:
    on_spans = ContentCapture("SPAN_ONLY")
    attempt, reports, _ = attempt_of("tool.look", {"place": "shop"}, capture=on_spans)
    attempt.end(result, None)
    (report,) = reports
    assert report.contents is not None
    written = report.contents(BoundedContent(NoSecrets()))
    assert written == {"gen_ai.tool.call.arguments": {"place": "shop"}, "gen_ai.tool.call.result": "open"}
    attempt, reports, _ = attempt_of("tool.look", {"place": "shop"}, capture=ContentCapture("EVENT_ONLY"))
    attempt.end(result, None)
    assert reports[0].contents is None


def test_a_failed_call_has_no_result() -> None:
    attempt, reports, _ = attempt_of("tool.look", {}, capture=ContentCapture("SPAN_ONLY"))
    attempt.end(None, ApplicationError("hunter2", type="ToolError"))
    assert reports[0].contents is not None
    written = reports[0].contents(BoundedContent(NoSecrets()))
    assert written == {"gen_ai.tool.call.arguments": {}}
    assert "hunter2" not in json.dumps(written) + str(reports[0].span)


def test_an_error_of_telemetry_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(report: AttemptReport) -> None:
        raise RuntimeError("no exporter")

    info = replace(ActivityEnvironment.default_info(), activity_type="tool.look")
    ActivityAttempt(info, (), FACTS, CountedMetrics(), ContentCapture(), fail).end("open", None)
    assert "RuntimeError: no exporter" in caplog.text


def test_requests_within_another_activity_are_spans_under_it_and_are_counted() -> None:
    attempt, reports, metrics = attempt_of(COMPACT_ACTIVITY, {}, capture=ContentCapture("SPAN_AND_EVENT"))
    request = ModelRequest(model="google:flash", system="Summarize.", messages=[user_message("All.")])
    usage = Usage(input_tokens=3, output_tokens=2, cost_usd=0.5)
    message = Message(role="assistant", parts=(TextPart(text="Short."),))
    response = ModelResponse(message=message, stop_reason="end", usage=usage)
    attempt.on_model_call(ObservedModelCall(request=request, response=response, start_ns=1, end_ns=2))
    failed = ObservedModelCall(request=request, response=None, start_ns=1, end_ns=2, error_type="ModelUnavailable")
    attempt.on_model_call(failed)
    attempt.on_embeddings(ObservedEmbeddings(model="minilm", dimension=384, start_ns=1, end_ns=2))
    attempt.end(None, None)
    first, second, vectors, own = (report.span for report in reports)
    assert [span.name for span in (first, second, vectors, own)] == [
        "chat flash",
        "chat flash",
        "embeddings minilm",
        COMPACT_ACTIVITY,
    ]
    assert {first.parent_id, second.parent_id, vectors.parent_id} == {own.span_id}
    assert len({first.span_id, second.span_id, vectors.span_id, own.span_id}) == 4
    assert first.attributes["gen_ai.provider.name"] == "gcp.gemini"
    assert (first.attributes["gen_ai.usage.input_tokens"], first.attributes["opspawn.cost_usd"]) == (3, 0.5)
    assert second.attributes["error.type"] == "ModelUnavailable"
    assert not vectors.is_client, "a model of this process"
    assert reports[0].is_inference
    labels = {"agent": "buyer", "tenant": "acme", "provider": "google", "model": "flash"}
    assert metrics.requests == [(labels, usage, ""), (labels, None, "ModelUnavailable")]
