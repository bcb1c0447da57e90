"""A task that the API terminates has a root span, in the trace of its caller."""

from __future__ import annotations

import pytest

from agentkit.telemetry import TraceParent
from api.tasks.task_service import TaskService
from tests.integration.api.conftest import ApiHarness, eventually
from tests.received_telemetry import attributes_of, plain, receiving_telemetry
from workflows.telemetry.root_span import terminated_task_spans
from workflows.telemetry.task_facts import root_span_id

CALLER = TraceParent(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)


async def test_the_span_of_a_terminated_task_stands_under_that_of_its_caller(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"agent": "assistant", "input": "Hello"}
    created = await harness.http.post("/api/v1/tasks", json=body, headers={"traceparent": str(CALLER)})
    task_id = created.json()["id"]
    async with receiving_telemetry() as received:
        for name, value in received.variables.items():
            monkeypatch.setenv(name, value)
        spans = terminated_task_spans(harness.temporal)
        assert spans is not None
        await TaskService(harness.temporal, harness.catalog, harness.settings, spans=spans).terminate(task_id)
        await spans.aclose()

        async def arrived() -> int:
            return len(received.spans)

        await eventually(arrived, lambda count: count == 1)
    (span,) = received.spans
    assert (span.name, span.span_id) == ("invoke_agent assistant", root_span_id(task_id).to_bytes(8))
    assert (span.trace_id, span.parent_span_id) == (CALLER.trace_id.to_bytes(16), CALLER.span_id.to_bytes(8))
    assert plain(attributes_of(span)["opspawn.status"]) == "terminated"
    assert span.end_time_unix_nano >= span.start_time_unix_nano


async def test_nothing_is_exported_without_a_receiver(harness: ApiHarness) -> None:
    assert terminated_task_spans(harness.temporal) is None
