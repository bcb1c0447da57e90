"""Stored payloads are deleted when Temporal has deleted their workflow, and not before."""

from __future__ import annotations

import asyncio
from pathlib import Path

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.payload_collector import PayloadCollector, collect_at_intervals
from activities.temporal.payload_storage import PARTIAL_PREFIX, payload_directory
from tests.integration.api.conftest import ApiHarness, eventually

LARGE = "x" * 200_000


def directory_of(harness: ApiHarness, task_id: str) -> Path:
    return harness.settings.data_dir / "payloads" / payload_directory(harness.temporal.namespace, task_id)


async def delete(harness: ApiHarness, task_id: str) -> None:
    """Let Temporal delete a workflow, as it does after its retention, and wait until it has."""
    request = DeleteWorkflowExecutionRequest(
        namespace=harness.temporal.namespace, workflow_execution=WorkflowExecution(workflow_id=task_id)
    )
    await harness.temporal.workflow_service.delete_workflow_execution(request)

    async def is_gone() -> bool:
        try:
            await harness.temporal.get_workflow_handle(task_id).describe()
        except RPCError as error:
            return error.status is RPCStatusCode.NOT_FOUND
        return False

    await eventually(is_gone, bool)


async def test_the_payloads_of_deleted_tasks_are_deleted_and_those_of_others_stay(harness: ApiHarness) -> None:
    running, ended, deleted = [await harness.submit(input=LARGE) for _ in range(3)]
    await harness.http.post(f"/api/v1/tasks/{ended}/terminate")
    await delete(harness, deleted)
    payloads = harness.settings.data_dir / "payloads"
    assert directory_of(harness, deleted).stat().st_mode & 0o777 == 0o700
    assert await PayloadCollector(harness.temporal, payloads, min_age_s=3600, pause_s=0).collect() == 0
    collector = PayloadCollector(harness.temporal, payloads, min_age_s=0, pause_s=0)
    assert await collector.collect() == 1
    assert [directory_of(harness, task_id).exists() for task_id in (running, ended, deleted)] == [True, True, False]
    assert (await harness.task(running))["input"] == LARGE
    assert await collector.collect() == 0


async def test_collecting_goes_on_at_intervals_until_it_is_cancelled(harness: ApiHarness) -> None:
    task_id = await harness.submit(input=LARGE)
    collector = PayloadCollector(harness.temporal, harness.settings.data_dir / "payloads", min_age_s=0, pause_s=0)
    running = asyncio.create_task(collect_at_intervals(collector.collect, "payloads of %d tasks", interval_s=0.05))
    await delete(harness, task_id)

    async def is_deleted() -> bool:
        return not directory_of(harness, task_id).exists()

    await eventually(is_deleted, bool)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_a_killed_process_left_half_written_is_deleted_later(harness: ApiHarness) -> None:
    task_id = await harness.submit(input=LARGE)
    partial = directory_of(harness, task_id) / f"{PARTIAL_PREFIX}x1"
    partial.write_bytes(b"half of a payload")
    payloads = harness.settings.data_dir / "payloads"
    await PayloadCollector(harness.temporal, payloads, min_age_s=3600, pause_s=0).collect()
    assert partial.exists(), "its writer may be alive"
    await PayloadCollector(harness.temporal, payloads, min_age_s=0, pause_s=0).collect()
    assert not partial.exists()
    assert (await harness.task(task_id))["input"] == LARGE
