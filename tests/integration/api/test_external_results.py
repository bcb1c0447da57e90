"""The whole result of a tool that another program serves is in history, and REST reads it there."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from agentkit.messages import ToolCall, user_message
from agentkit.specs import AgentSpec, ToolSpec
from tests.integration.api.conftest import ApiHarness
from workflows.task_types import TaskInput

WHOLE = "".join(f"{number:09d}\n" for number in range(20 * 1024))
"""200 KiB, of which a model reads less."""


@activity.defn(name="tool.dump")
async def dump(arguments: dict[str, Any], context: dict[str, Any]) -> str:
    return WHOLE


async def test_a_result_that_a_model_reads_in_part_is_whole_over_rest(harness: ApiHarness) -> None:
    queue, task_id = f"{harness.settings.task_queue}-other", f"task-{uuid.uuid4().hex}"
    spec = ToolSpec(name="dump", description="", parameters={}, effect="pure", task_queue=queue, external=True)
    agent = AgentSpec(name="a", models=("demo:m",), planner="tools", tools=(spec,))
    other = Client(harness.temporal.service_client)  # with Temporal's own data converter
    async with (
        harness.worker([ToolCall(id="c", name="dump"), "done"]),
        Worker(other, task_queue=queue, activities=[dump]),
        asyncio.timeout(30),
    ):
        task = TaskInput(agent=agent, message=user_message("Go."))
        handle = await harness.temporal.start_workflow(
            "AgentTask", task, id=task_id, task_queue=harness.settings.task_queue
        )
        await handle.result()
    response = await harness.http.get(f"/api/v1/tasks/{task_id}/tool-calls/c/result")
    assert (response.status_code, response.text) == (200, WHOLE)
    part = await harness.http.get(f"/api/v1/tasks/{task_id}/tool-calls/c/result", params={"start": 10, "end": 19})
    assert part.text == "000000001"
