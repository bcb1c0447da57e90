"""Run tasks on Opspawn or on the baseline, several at once, and measure the cost of a step."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Protocol

from temporalio.client import Client, WorkflowHandle

from agentkit.messages import user_message
from api.tasks.starting.task_start import new_task_id
from benchmarks.lookup_task import INPUT, INSTRUCTIONS, agent
from benchmarks.processes import WorkerProcess
from benchmarks.programs.bare_loop import BareLoop, BareTask
from benchmarks.programs.scripted_model import model_name
from workflows.agent_task import AgentTask
from workflows.task_types import TaskInput

__all__ = ["BareCandidate", "Candidate", "OpspawnCandidate", "StepCost", "measure"]

_TIMEOUT_S = 600.0
"""After this time a measurement has failed."""


@dataclass(frozen=True, slots=True)
class StepCost:
    """The cost of one step: the mean over the tasks of one measurement."""

    cpu_ms: float
    """CPU time of the worker process, user and system."""
    steps_per_second: float
    """Of all tasks together."""
    history_bytes: float
    events: float


class Candidate(Protocol):
    """An implementation to be measured."""

    @property
    def worker(self) -> WorkerProcess:
        """Return its worker process."""
        ...

    async def start(self, steps: int) -> WorkflowHandle[Any, Any]:
        """Start a task of ``steps`` steps."""
        ...


class OpspawnCandidate:
    """Opspawn's workflow and worker."""

    def __init__(self, client: Client, worker: WorkerProcess, *, fast: bool = False) -> None:
        self.worker = worker
        self._client = client
        self._fast = fast

    async def start(self, steps: int) -> WorkflowHandle[Any, Any]:
        """Start a task of ``steps`` steps."""
        task = TaskInput(agent=agent(model_name(steps), fast=self._fast), message=user_message(INPUT))
        return await self._client.start_workflow(AgentTask.run, task, id=new_task_id(), task_queue="opspawn")


class BareCandidate:
    """The baseline."""

    def __init__(self, client: Client, worker: WorkerProcess, task_queue: str) -> None:
        self.worker = worker
        self._task_queue = task_queue
        self._client = client

    async def start(self, steps: int) -> WorkflowHandle[Any, Any]:
        """Start a task of ``steps`` steps."""
        task = BareTask(model=model_name(steps), instructions=INSTRUCTIONS, input=INPUT)
        return await self._client.start_workflow(BareLoop.run, task, id=new_task_id(), task_queue=self._task_queue)


async def measure(candidate: Candidate, steps: int, at_once: int) -> StepCost:
    """Run ``at_once`` concurrent tasks of ``steps`` steps, and return the cost of a step."""
    async with asyncio.timeout(_TIMEOUT_S):
        cpu_before, started_at = await candidate.worker.cpu_seconds(), time.perf_counter()
        handles = await asyncio.gather(*(candidate.start(steps) for _ in range(at_once)))
        await asyncio.gather(*(handle.result() for handle in handles))
        elapsed_s, cpu_s = time.perf_counter() - started_at, await candidate.worker.cpu_seconds() - cpu_before
        description = await handles[0].describe()
    all_steps = steps * at_once
    return StepCost(
        cpu_ms=cpu_s * 1000 / all_steps,
        steps_per_second=all_steps / elapsed_s,
        history_bytes=description.raw_description.workflow_execution_info.history_size_bytes / steps,
        events=description.history_length / steps,
    )
