"""Erasures on a real server: all runs, the tasks below, what tasks store late, in the directory and in a bucket."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from temporalio import workflow
from temporalio.client import (
    Client,
    Interceptor,
    ListWorkflowsInput,
    OutboundInterceptor,
    WorkflowExecutionAsyncIterator,
    WorkflowHandle,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.erasure_payloads import TASK_ERASURE, ErasureRequest
from activities.execution_erasure import ErasureActivity
from activities.storage.message_storage import MessageStorage
from activities.temporal.data_converter import data_converter
from activities.temporal.payload_storage import payload_directory
from agentkit.messages import user_message
from api.tasks.erasure.workflow_erasure import WorkflowErasure
from api.tasks.task_workflows import TaskWorkflows
from tests.bucket_server import BucketServer
from tests.polling import eventually_found
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from workflows.erasure import ConversationErasure, TaskErasure
from workflows.search_attributes import PARENT
from workflows.task_types import WORKFLOW_TYPE

LARGE = "x" * 50_000


@workflow.defn(name=WORKFLOW_TYPE)
class Chained:
    """Continues as new ``runs`` times, each with a large argument; the last run may have a child, and wait."""

    @workflow.run
    async def run(self, runs: int, text: str, child: str, waits: bool) -> str:
        if runs:
            workflow.continue_as_new(args=[runs - 1, text, child, waits])
        if child:
            await workflow.start_child_workflow(
                WORKFLOW_TYPE,
                args=[0, text, "", True],
                id=child,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            )
        await workflow.wait_condition(lambda: not waits)
        return text


def worker(env: TaskEnvironment) -> Worker:
    return Worker(
        env.client,
        task_queue=env.settings.task_queue,
        workflows=[Chained, TaskErasure, ConversationErasure],
        activities=[ErasureActivity(env.client, env.settings).erase_executions],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


async def chain(env: TaskEnvironment, *, runs: int = 1, child: str = "", parent: str = "") -> WorkflowHandle[str, str]:
    """Run a chain; return the handle of its newest run."""
    attributes = TypedSearchAttributes([SearchAttributePair(PARENT, parent)] if parent else [])
    handle = await env.client.start_workflow(
        WORKFLOW_TYPE,
        args=[runs, LARGE, child, False],
        id=f"task-{uuid.uuid4().hex}",
        task_queue=env.settings.task_queue,
        result_type=str,
        search_attributes=attributes,
    )
    await asyncio.wait_for(handle.result(), TIMEOUT_S)
    return env.client.get_workflow_handle(handle.id, run_id=(await handle.describe()).run_id, result_type=str)


async def erase(env: TaskEnvironment, newest: WorkflowHandle[str, str], grace_s: float = 0) -> None:
    """Erase a task that has ended, and wait for the end of that."""
    request = ErasureRequest(run_id=newest.run_id, last_sweep_after=datetime.now(UTC), grace_s=grace_s)
    erasure = await env.client.start_workflow(
        TASK_ERASURE,
        request,
        id=newest.id,
        task_queue=env.settings.task_queue,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )
    await asyncio.wait_for(erasure.result(), TIMEOUT_S)


async def runs_left(env: TaskEnvironment, workflow_id: str) -> list[str]:
    """Return the types of the runs that visibility lists."""
    listed = env.client.list_workflows(f"WorkflowId = '{workflow_id}'")
    return [execution.workflow_type async for execution in listed]


def has_payloads(env: TaskEnvironment, workflow_id: str) -> bool:
    directory = payload_directory(env.client.namespace, workflow_id)
    return (env.settings.data_dir / "payloads" / directory).exists()


async def test_all_runs_and_the_tasks_below_are_erased_and_other_tasks_stay(env: TaskEnvironment) -> None:
    child = f"task-{uuid.uuid4().hex}"
    async with worker(env):
        newest, other = await asyncio.gather(chain(env, child=child), chain(env))
        adopted = await chain(env, runs=0, parent=newest.id)  # not a child workflow, but it names its parent
        assert has_payloads(env, child)
        assert len(await runs_left(env, newest.id)) == 2
        await erase(env, newest)
        assert await runs_left(env, newest.id) == [TASK_ERASURE]
        for gone in (child, adopted.id):
            assert await runs_left(env, gone) == []
        assert [has_payloads(env, each) for each in (newest.id, child, adopted.id, other.id)] == [False] * 3 + [True]
        assert await other.result() == LARGE
        assert len(await runs_left(env, other.id)) == 2


async def test_runs_that_no_list_has_are_found_by_the_newest_one(env: TaskEnvironment) -> None:
    async with worker(env.with_interceptor(EmptyLists())):
        newest = await chain(env)
        first = await first_run(env, newest.id)
        await erase(env, newest)
    for run_id in (newest.run_id, first):
        with pytest.raises(RPCError, match="not found"):
            await env.client.get_workflow_handle(newest.id, run_id=run_id).describe()


async def first_run(env: TaskEnvironment, workflow_id: str) -> str:
    """Return the first of two runs."""
    events = env.client.get_workflow_handle(workflow_id).fetch_history_events()
    return (await anext(aiter(events))).workflow_execution_started_event_attributes.continued_execution_run_id


class EmptyLists(Interceptor):
    """Makes all of visibility's lists empty, as they are until it has taken up what has changed."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        class Empty(OutboundInterceptor):
            def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:
                return super().list_workflows(replace(input, query="WorkflowId = 'none'"))

        return Empty(next)


async def test_what_a_task_stores_after_it_was_ended_is_erased_as_well(env: TaskEnvironment) -> None:
    child = f"task-{uuid.uuid4().hex}"
    async with worker(env):
        newest = await chain(env, child=child)
        erasing = asyncio.create_task(erase(env, newest, grace_s=3))

        async def is_swept() -> bool:
            return not has_payloads(env, child) and not await runs_left(env, child)

        await eventually_found(is_swept, TIMEOUT_S)
        # As an activity does that has not noticed yet that its task was ended.
        await MessageStorage(env.client).write(child, 0, [user_message(LARGE)])
        assert has_payloads(env, child)
        await erasing
    assert not has_payloads(env, child)


async def test_objects_in_a_bucket_are_erased_and_those_of_others_stay(
    env: TaskEnvironment, bucket: BucketServer
) -> None:
    settings = env.settings.model_copy(update={"payload_storage": "s3://payloads/team/a"})
    stored = TaskEnvironment(Client(env.client.service_client, data_converter=data_converter(settings)), settings)
    async with worker(stored):
        newest, other = await chain(stored), await chain(stored)
        await MessageStorage(stored.client).write(newest.id, 0, [user_message(LARGE)])
        assert {path.split("/wt/")[1].split("/")[0] for path in bucket.objects} == {WORKFLOW_TYPE, "null"}
        await erase(stored, newest)
        assert await other.result() == LARGE
    assert bucket.objects
    assert not [path for path in bucket.objects if newest.id in path]


async def test_an_erasure_goes_on_when_the_bucket_is_there_again(env: TaskEnvironment, bucket: BucketServer) -> None:
    settings = env.settings.model_copy(update={"payload_storage": "s3://payloads"})
    stored = TaskEnvironment(Client(env.client.service_client, data_converter=data_converter(settings)), settings)
    async with worker(stored):
        newest = await chain(stored, runs=0)
        bucket.failing = True
        erasing = asyncio.create_task(erase(stored, newest))

        async def has_failed() -> bool:
            try:
                description = await stored.client.get_workflow_handle(newest.id).describe()
            except RPCError:
                return False
            return any(pending.attempt > 1 for pending in description.raw_description.pending_activities)

        await eventually_found(has_failed, TIMEOUT_S)
        assert bucket.objects
        bucket.failing = False
        await erasing
    assert not bucket.objects


async def test_where_the_bucket_refuses_deletes_the_history_stays_and_the_reason_is_known(
    env: TaskEnvironment, bucket: BucketServer
) -> None:
    settings = env.settings.model_copy(update={"payload_storage": "s3://payloads"})
    stored = TaskEnvironment(Client(env.client.service_client, data_converter=data_converter(settings)), settings)
    erasure = WorkflowErasure(stored.client, settings, TaskWorkflows(stored.client, settings))

    async def problem() -> str:
        while True:
            description = await stored.client.get_workflow_handle(newest.id).describe()
            if (text := (await erasure.progress(description)).problem) is not None:
                return text
            await asyncio.sleep(0.05)

    async with worker(stored):
        newest = await chain(stored)
        bucket.refuses_deletes = True
        erasing = asyncio.create_task(erase(stored, newest))
        text = await asyncio.wait_for(problem(), TIMEOUT_S)
        assert len(await runs_left(env, newest.id)) == 3  # both of the task, and the erasure
        assert (await newest.describe()).workflow_type == WORKFLOW_TYPE
        bucket.refuses_deletes = False
        await erasing
    assert text.startswith("Payloads in s3://payloads can't be erased (")
    assert "Access Denied" in text
    assert not bucket.objects
