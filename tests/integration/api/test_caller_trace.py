"""A request's ``traceparent`` is kept with the task that it starts."""

from __future__ import annotations

from agentkit.telemetry import TraceParent
from tests.integration.api.conftest import ApiHarness
from workflows.search_attributes import MEMO_TRACEPARENT
from workflows.telemetry.task_facts import TaskFactsCache

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_the_task_of_a_request_continues_the_trace_of_its_caller(harness: ApiHarness) -> None:
    body = {"agent": "assistant", "input": "Hello"}
    response = await harness.http.post("/api/v1/tasks", json=body, headers={"traceparent": CALLER})
    facts = await TaskFactsCache(harness.temporal).of(response.json()["id"])
    assert TraceParent(facts.trace_id, facts.parent_id or 0) == TraceParent.read(CALLER)
    assert (facts.agent, facts.tenant) == ("assistant", "default")


async def test_a_header_that_is_not_valid_leaves_no_trace(harness: ApiHarness) -> None:
    body = {"agent": "assistant", "input": "Hello"}
    response = await harness.http.post("/api/v1/tasks", json=body, headers={"traceparent": "00-zz"})
    described = await harness.temporal.get_workflow_handle(response.json()["id"]).describe()
    assert await described.memo_value(MEMO_TRACEPARENT, default=None) is None
