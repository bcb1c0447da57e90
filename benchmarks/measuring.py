"""Have tasks done by a subject, several at once, and measure what a step costs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Protocol

from temporalio.client import Client, WorkflowHandle

from agentkit.messages import user_message
from api.tasks.task_start import new_task_id
from benchmarks.bare import BareLoop, BareTask
from benchmarks.scripted import model_name
from benchmarks.surroundings import WorkerProcess
from benchmarks.task import INPUT, INSTRUCTIONS, agent
from workflows.agent_task import AgentTask
from workflows.task_types import TaskInput

__all__ = ["BareSubject", "Cost", "OpspawnSubject", "Subject", "measure"]

_LONGEST = 600.0
"""Seconds until a measurement counts as stuck."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one step cost, on the average over the tasks of one measurement."""

    cpu_ms: float
    """CPU time of the worker process, user and system."""
    steps_per_second: float
    """Of all tasks together."""
    history_bytes: float
    events: float


class Subject(Protocol):
    """What is measured."""

    @property
    def worker(self) -> WorkerProcess:
        """Return the process that does the work."""
        ...

    async def start(self, steps: int) -> WorkflowHandle[Any, Any]:
        """Start a task of so many steps."""
        ...


class OpspawnSubject:
    """Our workflow and our worker."""

    def __init__(self, client: Client, worker: WorkerProcess, *, fast: bool = False) -> None:
        self.worker = worker
        self._client = client
        self._fast = fast

    async def start(self, steps: int) -> WorkflowHandle[Any, Any]:
        """Start a task."""
        task = TaskInput(agent=agent(model_name(steps), fast=self._fast), message=user_message(INPUT))
        return await self._client.start_workflow(AgentTask.run, task, id=new_task_id(), task_queue="opspawn")


class BareSubject:
    """The yardstick."""

    def __init__(self, client: Client, worker: WorkerProcess, task_queue: str) -> None:
        self.worker = worker
        self._task_queue = task_queue
        self._client = client

    async def start(self, steps: int) -> WorkflowHandle[Any, Any]:
        """Start a task."""
        task = BareTask(model=model_name(steps), instructions=INSTRUCTIONS, input=INPUT)
        return await self._client.start_workflow(BareLoop.run, task, id=new_task_id(), task_queue=self._task_queue)


async def measure(subject: Subject, steps: int, at_once: int) -> Cost:
    """Have ``at_once`` tasks of so many steps done, and return what a step cost."""
    async with asyncio.timeout(_LONGEST):
        cpu, began = await subject.worker.cpu_seconds(), time.perf_counter()
        handles = await asyncio.gather(*(subject.start(steps) for _ in range(at_once)))
        await asyncio.gather(*(handle.result() for handle in handles))
        took, spent = time.perf_counter() - began, await subject.worker.cpu_seconds() - cpu
        described = await handles[0].describe()
    all_steps = steps * at_once
    return Cost(
        cpu_ms=spent * 1000 / all_steps,
        steps_per_second=all_steps / took,
        history_bytes=described.raw_description.workflow_execution_info.history_size_bytes / steps,
        events=described.history_length / steps,
    )
