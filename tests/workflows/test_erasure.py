"""The workflow of an erasure, on a server that skips time."""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.erasure_payloads import (
    CONVERSATION_ERASURE,
    ERASE_ACTIVITY,
    TASK_ERASURE,
    ErasureRequest,
    ErasureSweep,
    MemoryCount,
    SweptExecutions,
)
from activities.memory.memory_queries import (
    ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY,
    ERASE_MEMORIES_OF_TASK_ACTIVITY,
)
from agentkit.interfaces import memory_task_queue
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
    ("workflow_type", "activity_name", "id_field"),
    [
        (TASK_ERASURE, ERASE_MEMORIES_OF_TASK_ACTIVITY, "task_id"),
        (CONVERSATION_ERASURE, ERASE_MEMORIES_OF_CONVERSATION_ACTIVITY, "conversation_id"),
    ],
    ids=["task", "conversation"],
)
async def test_memories_are_erased_last_and_again_until_memory_can_be_used(
    time_skipping_server: WorkflowEnvironment,
    time_skipping_env: TaskEnvironment,
    workflow_type: str,
    activity_name: str,
    id_field: str,
) -> None:
    env, sweeps = time_skipping_env, Sweeps()
    erased: list[tuple[dict[str, str], int]] = []

    @activity.defn(name=activity_name)
    async def erase_memories(reference: dict[str, str]) -> MemoryCount:
        erased.append((reference, len(sweeps.calls)))
        if len(erased) == 1:
            raise ApplicationError("It is set up in another way.", type="MemoryMisconfigured", non_retryable=True)
        return MemoryCount(count=1, kind="erased")

    queue = memory_task_queue(env.settings.task_queue)
    async with Worker(env.client, task_queue=queue, activities=[erase_memories]):
        await erase(time_skipping_server, env, sweeps, ends_in_s=40, memories=True, workflow_type=workflow_type)
    [(first, _), second] = erased
    assert second == (first, 2)
    assert (first["tenant"], first[id_field][:7]) == ("default", "erased-")


async def test_tasks_that_were_running_are_swept_again_a_minute_later(
    time_skipping_server: WorkflowEnvironment, time_skipping_env: TaskEnvironment
) -> None:
    late = SweptExecutions(remaining=1, late_tasks=("task-1",))
    calls = await erase(time_skipping_server, time_skipping_env, Sweeps(late, late))
    assert [sweep.late_tasks for _, sweep in calls] == [(), *[("task-1",)] * (len(calls) - 1)]
    assert calls[-2][0] < 60 <= calls[-1][0]
