"""A tenant with few tasks doesn't wait for the many of another that came first."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import Priority
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.model import ModelActivities
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from agentkit.messages import user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel
from tests.integration.api.conftest import WITHIN, ApiHarness
from workflows.agent_task import AgentTask
from workflows.task_types import TaskInput
from workflows.transcripts.transcript_sharing import TranscriptSharing
from workflows.workflow_sandbox import sandboxed_runner

MANY, FEW = 200, 5


async def test_five_tasks_behind_two_hundred_of_another_tenant_are_among_the_first_that_end(
    harness: ApiHarness,
) -> None:
    many = await start(harness, "acme", MANY)
    few = await start(harness, "globex", FEW)
    async with worker(harness):
        await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in few)), WITHIN)
    ended_before = sum(await asyncio.gather(*(has_ended(handle) for handle in many)))
    await asyncio.gather(*(end(handle) for handle in many))
    # By turns, about as many tasks of the other tenant end meanwhile; without fairness all 200 do.
    assert ended_before <= MANY / 10


async def has_ended(handle: WorkflowHandle[Any, Any]) -> bool:
    """Return whether a task has ended."""
    return (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING


async def end(handle: WorkflowHandle[Any, Any]) -> None:
    """End a task that no worker will run."""
    with suppress(RPCError):  # it has ended
        await handle.terminate()


async def start(harness: ApiHarness, tenant: str, count: int) -> list[WorkflowHandle[Any, Any]]:
    task = TaskInput(agent=AgentSpec(name="a", models=("scripted:m",), planner="tools"), message=user_message("Hello"))
    gate = asyncio.Semaphore(20)

    async def start_one() -> WorkflowHandle[Any, Any]:
        async with gate:
            return await harness.temporal.start_workflow(
                AgentTask.run,
                task,
                id=f"task-{uuid.uuid4().hex}",
                task_queue=harness.settings.task_queue,
                priority=Priority(fairness_key=tenant),
            )

    return list(await asyncio.gather(*(start_one() for _ in range(count))))


def worker(harness: ApiHarness) -> Worker:
    """Return a worker with so few slots that most tasks wait for one."""
    cache = TranscriptCache(1_000_000)
    models = {"scripted": ScriptedModel(["Done."] * (MANY + FEW))}
    return Worker(
        harness.temporal,
        task_queue=harness.settings.task_queue,
        workflows=[AgentTask],
        activities=[
            ModelActivities(models, TranscriptReader(harness.temporal, cache), InlineOutputChecker()).request_model
        ],
        interceptors=[TranscriptSharing(cache.share)],
        workflow_runner=sandboxed_runner(),
        max_concurrent_workflow_tasks=4,
        max_concurrent_activities=2,
    )
