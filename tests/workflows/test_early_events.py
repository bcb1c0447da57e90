"""A query that a worker answers before the workflow task of the newest event has started changes nothing."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxRestrictions

from activities.temporal.workflow_queries import query_workflow
from tests.polling import eventually_found
from workflows.early_events import StartedTasksRunner
from workflows.workflow_sandbox import sandboxed_runner

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


@activity.defn
async def wait_for_completion() -> None:
    activity.raise_complete_async()


@workflow.defn
class TimedWorkflow:
    """Records whether time has passed until its activity ended: a decision by ``workflow.now()``."""

    def __init__(self) -> None:
        self._passed: bool | None = None
        self._is_over = False

    @workflow.run
    async def run(self) -> None:
        start = workflow.now()
        await workflow.execute_activity(wait_for_completion, start_to_close_timeout=timedelta(minutes=1))
        self._passed = workflow.now() > start
        if self._passed:
            workflow.upsert_memo({"time_passed": True})
        await workflow.wait_condition(lambda: self._is_over)

    @workflow.query
    def passed(self) -> bool | None:
        return self._passed

    @workflow.signal
    def end(self) -> None:
        self._is_over = True


def worker(client: Client, task_queue: str) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[TimedWorkflow],
        activities=[wait_for_completion],
        workflow_runner=StartedTasksRunner(SandboxRestrictions.default.with_passthrough_all_modules()),
        sticky_queue_schedule_to_start_timeout=timedelta(milliseconds=100),
    )


async def running_activity(handle: WorkflowHandle[Any, Any]) -> str | None:
    """Return the id of the workflow's activity, once it runs."""
    pending = (await handle.describe()).raw_description.pending_activities
    return pending[0].activity_id if pending and pending[0].HasField("last_started_time") else None


async def passed(handle: WorkflowHandle[Any, Any]) -> bool:
    return await query_workflow(handle, "passed", bool, rpc_timeout=timedelta(seconds=30))


async def ended_workflow(client: Client) -> WorkflowHandle[Any, Any]:
    """Run a workflow whose worker gets queries that were sent before its activity ended after it has ended."""
    task_queue = uuid.uuid4().hex
    async with worker(client, task_queue):
        handle = await client.start_workflow(TimedWorkflow.run, id=uuid.uuid4().hex, task_queue=task_queue)
        await eventually_found(lambda: running_activity(handle))
        activity_id = await running_activity(handle) or ""
    async with asyncio.TaskGroup() as tasks:
        queries = [tasks.create_task(passed(handle)) for _ in range(2)]
        await asyncio.sleep(0.5)  # until Temporal has them; nothing tells
        await client.get_async_activity_handle(workflow_id=handle.id, run_id=None, activity_id=activity_id).complete()
        async with worker(client, task_queue):
            assert [await query for query in queries] == [True, True]
            await handle.signal("end")
            await handle.result()
    return handle


async def test_a_query_changes_no_decision_of_a_workflow(env: TaskEnvironment) -> None:
    replayer = Replayer(
        workflows=[TimedWorkflow],
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=env.client.data_converter,
    )
    for handle in await asyncio.gather(*(ended_workflow(env.client) for _ in range(6))):
        assert await (await handle.describe()).memo() == {"time_passed": True}
        await replayer.replay_workflow(await handle.fetch_history())


def test_the_worker_that_we_ship_has_this_runner() -> None:
    assert isinstance(sandboxed_runner(), StartedTasksRunner)
