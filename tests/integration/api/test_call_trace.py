"""A call's ``traceparent`` is kept with the task that it starts."""

from __future__ import annotations

from tests.integration.api.conftest import ApiHarness
from tests.integration.api.grpc_harness import request, serve_grpc
from workflows.search_attributes import MEMO_TRACEPARENT

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_the_task_of_a_call_continues_the_trace_of_its_caller(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        created = await api.stub.CreateTask(request(), metadata=[("traceparent", CALLER)])
    described = await harness.temporal.get_workflow_handle(created.task.id).describe()
    assert await described.memo_value(MEMO_TRACEPARENT) == CALLER
