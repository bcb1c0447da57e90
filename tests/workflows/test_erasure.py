"""The workflow of an erasure, on a server that skips time."""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from temporalio import activity
from temporalio.worker import Worker

from activities.erasure_payloads import (
    CONVERSATION_ERASURE,
    ERASE_ACTIVITY,
    ERASE_MEMORIES_SIGNAL,
    TASK_ERASURE,
    ErasureRequest,
    ErasureSweep,
    MemoryCount,
    SweptExecutions,
)
from activities.memory.memory_queries import (
    ERASE_MEMORIES_OF_TASK_ACTIVITY,
    MemoryQueryActivities,
)
from agentkit.errors import MemoryMisconfigured
from agentkit.interfaces import memory_task_queue
from agentkit.testing import InMemoryMemory
from api.tasks.erasure_progress import erases_memories
from workflows.erasure import ConversationErasure, TaskErasure
from workflows.workflow_sandbox import sandboxed_runner

if TYPE_CHECKING:
    from datetime import datetime

    from temporalio.testing import WorkflowEnvironment

    from tests.workflows.conftest import TaskEnvironment


class Sweeps:
    """An activity whose results are given; it records when it was called, and with what."""

    def __init__(self, *results: SweptExecutions) -> None:
        self._results = list(results)
        self.calls: list[tuple[datetime, ErasureSweep]] = []

    @activity.defn(name=ERASE_ACTIVITY)
    async def sweep(self, sweep: ErasureSweep) -> SweptExecutions:
        self.calls.append((activity.info().scheduled_time, sweep))
        return self._results.pop(0) if self._results else SweptExecutions(remaining=0)


async def erase(
    server: WorkflowEnvironment,
    env: TaskEnvironment,
    sweeps: Sweeps,
    *,
    ends_in_s: float = 0,
    memories: bool = False,
    workflow_type: str = CONVERSATION_ERASURE,
) -> list[tuple[float, ErasureSweep]]:
    """Run an erasure; return the seconds from its start, and the argument, of each sweep."""
    now = await server.get_current_time()
    request = ErasureRequest(
        run_id="run", last_sweep_after=now + timedelta(seconds=ends_in_s), grace_s=60, memories=memories
    )
    worker = Worker(
        env.client,
        task_queue=env.settings.task_queue,
        workflows=[TaskErasure, ConversationErasure],
        activities=[sweeps.sweep],
        workflow_runner=sandboxed_runner(),
    )
    async with worker:
        await env.client.execute_workflow(
            workflow_type, request, id=f"erased-{uuid.uuid4().hex}", task_queue=env.settings.task_queue
        )
    return [((time - now).total_seconds(), sweep) for time, sweep in sweeps.calls]


async def test_it_sweeps_until_nothing_is_left(
    time_skipping_server: WorkflowEnvironment, time_skipping_env: TaskEnvironment
) -> None:
    sweeps = Sweeps(*[SweptExecutions(remaining=3)] * 4)
    calls = await erase(time_skipping_server, time_skipping_env, sweeps)
    assert [sweep.run_id for _, sweep in calls] == ["run"] * 5
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(calls)]
    assert all(gap >= expected for gap, expected in zip(gaps, (1, 2, 4, 8), strict=True)), gaps


async def test_the_last_sweep_comes_when_nothing_can_be_stored_any_more(
    time_skipping_server: WorkflowEnvironment, time_skipping_env: TaskEnvironment
) -> None:
    calls = await erase(time_skipping_server, time_skipping_env, Sweeps(), ends_in_s=40)
    assert len(calls) == 2
    assert calls[0][0] < 40 <= calls[-1][0]


@pytest.mark.parametrize(
    ("workflow_type", "method"),
    [(TASK_ERASURE, "erase_of_task"), (CONVERSATION_ERASURE, "erase_of_conversation")],
    ids=["task", "conversation"],
)
async def test_memories_are_erased_last_and_again_until_memory_can_be_used(
    time_skipping_server: WorkflowEnvironment,
    time_skipping_env: TaskEnvironment,
    monkeypatch: pytest.MonkeyPatch,
    workflow_type: str,
    method: str,
) -> None:
    env, sweeps = time_skipping_env, Sweeps()
    erased: list[tuple[str, str, int]] = []
    scheduled: list[datetime] = []

    async def erase_of(tenant: str, workflow_id: str) -> int:
        erased.append((tenant, workflow_id, len(sweeps.calls)))
        scheduled.append(activity.info().scheduled_time)
        if len(erased) == 1:
            raise MemoryMisconfigured("It is set up in another way.")
        return 1

    memory = InMemoryMemory()
    monkeypatch.setattr(memory, method, erase_of)
    queue = memory_task_queue(env.settings.task_queue)
    async with Worker(env.client, task_queue=queue, activities=MemoryQueryActivities(memory).all):
        await erase(time_skipping_server, env, sweeps, ends_in_s=40, memories=True, workflow_type=workflow_type)
    [first, second] = erased
    assert second == first
    assert (first[0], first[1][:7], first[2]) == ("default", "erased-", 2)
    assert scheduled[0] == scheduled[1], "a retry is another attempt of the activity, which stays pending"


async def test_memories_are_erased_of_a_running_erasure_that_is_signalled(
    time_skipping_server: WorkflowEnvironment, time_skipping_env: TaskEnvironment
) -> None:
    env, erased = time_skipping_env, list[dict[str, str]]()

    @activity.defn(name=ERASE_ACTIVITY)
    async def sweep(sweep: ErasureSweep) -> SweptExecutions:
        await env.client.get_workflow_handle(sweep.workflow_id).signal(ERASE_MEMORIES_SIGNAL)
        return SweptExecutions(remaining=0)

    @activity.defn(name=ERASE_MEMORIES_OF_TASK_ACTIVITY)
    async def erase_memories(reference: dict[str, str]) -> MemoryCount:
        erased.append(reference)
        return MemoryCount(count=1, kind="erased")

    request = ErasureRequest(last_sweep_after=await time_skipping_server.get_current_time(), grace_s=60)
    queue = env.settings.task_queue
    runner = sandboxed_runner()
    async with (
        Worker(env.client, task_queue=memory_task_queue(queue), activities=[erase_memories]),
        Worker(env.client, task_queue=queue, workflows=[TaskErasure], activities=[sweep], workflow_runner=runner),
    ):
        erasure = await env.client.start_workflow(
            TASK_ERASURE, request, id=f"erased-{uuid.uuid4().hex}", task_queue=queue
        )
        await erasure.result()
    assert [reference["task_id"] for reference in erased] == [erasure.id]
    assert erases_memories(await erasure.describe())


async def test_tasks_that_were_running_are_swept_again_a_minute_later(
    time_skipping_server: WorkflowEnvironment, time_skipping_env: TaskEnvironment
) -> None:
    late = SweptExecutions(remaining=1, late_tasks=("task-1",))
    calls = await erase(time_skipping_server, time_skipping_env, Sweeps(late, late))
    assert [sweep.late_tasks for _, sweep in calls] == [(), *[("task-1",)] * (len(calls) - 1)]
    assert calls[-2][0] < 60 <= calls[-1][0]
