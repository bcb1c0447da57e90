"""A task whose workflow code fails is shown as stalled, and goes on when workers run code that doesn't fail."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.worker import Worker

from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.gated_model import GatedModel
from tests.integration.api.grpc_harness import serve_grpc

with workflow.unsafe.imports_passed_through():
    from workflows.task_types import TaskInput


@workflow.defn(name="AgentTask", sandboxed=False)
class DefectiveTask:
    """A release with a defect."""

    @workflow.run
    async def run(self, task: TaskInput) -> None:
        """Fail as a defect does."""
        raise KeyError("no such step")


@workflow.defn(name="AgentTask", sandboxed=False)
class OtherTask:
    """A release whose commands are others."""

    @workflow.run
    async def run(self, task: TaskInput) -> None:
        """Start with a timer."""
        await workflow.sleep(timedelta(hours=1))


def worker_of(harness: ApiHarness, kind: type) -> Worker:
    return Worker(harness.temporal, task_queue=harness.settings.task_queue, workflows=[kind])


async def test_a_defect_stalls_a_task_until_workers_are_mended(harness: ApiHarness) -> None:
    tag = harness.settings.task_queue
    async with worker_of(harness, DefectiveTask), serve_grpc(harness) as grpc:
        task_id = await harness.submit(tags=[tag])
        task = await eventually(lambda: harness.task(task_id), lambda task: task["stalled"] is not None)
        assert task["status"] in ("queued", "running")
        assert task["stalled"]["message"] == "KeyError: 'no such step'"
        assert task["stalled"]["since"] >= task["created_at"]
        assert (await grpc.task(task_id)).stalled.message == "KeyError: 'no such step'"
    async with harness.worker(["Done"]):
        task = await harness.task(task_id, wait=WITHIN)
        assert (task["status"], task["output"], task["stalled"]) == ("completed", "Done", None)


async def test_another_release_s_code_stalls_a_running_task_and_never_fails_it(harness: ApiHarness) -> None:
    tag, gate = harness.settings.task_queue, GatedModel()
    async with harness.worker(gate):
        task_id = await harness.submit(tags=[tag])
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
    async with worker_of(harness, OtherTask):
        await harness.temporal.get_workflow_handle(task_id).signal("wake_up")
        task = await eventually(lambda: harness.task(task_id), lambda task: task["stalled"] is not None)
        assert "Nondeterminism" in task["stalled"]["message"]
    gate.released.set()
    async with harness.worker(gate):
        task = await harness.task(task_id, wait=WITHIN)
        assert (task["status"], task["stalled"]) == ("completed", None)


async def test_lists_name_the_cause(harness: ApiHarness) -> None:
    tag = harness.settings.task_queue
    async with worker_of(harness, DefectiveTask):
        await harness.submit(tags=[tag])
        page = await eventually(
            lambda: harness.get("/tasks", tag=tag), lambda page: any(task["stalled"] for task in page["tasks"])
        )
    assert page["tasks"][0]["stalled"] == {
        "kind": "code",
        "message": "Its workflow task fails: WorkflowWorkerUnhandledFailure.",
        "since": None,
    }
