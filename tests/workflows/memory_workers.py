"""Agents with long-term memory, and workers that serve it, for the tests of workflows."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from activities.memory.memory_worker import Plugins, build_memory_worker, serving_memory
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from agentkit.interfaces import LongTermMemory, MemoryScope, Model, memory_task_queue
from agentkit.messages import user_message
from agentkit.specs import AgentSpec, MemorySettings
from agentkit.tools.builtin.memory_tools import memory_tools
from tests.workflows.conftest import Handle, TaskEnvironment
from workflows.agent_task import AgentTask
from workflows.search_attributes import MEMO_USER
from workflows.task_types import TaskInput

ADA = MemoryScope(kind="user", owner="ada")


def agent_with_memory(env: TaskEnvironment, **memory: Any) -> AgentSpec:
    """Return an agent with these settings of memory; with its tools if it has ``long_term``."""
    settings = MemorySettings(**memory)
    queue = memory_task_queue(env.settings.task_queue)
    tools = [tool.spec.model_copy(update={"task_queue": queue}) for tool in memory_tools()]
    return env.agent(memory=settings, tools=tuple(tools) if settings.long_term else ())


async def start_for_user(env: TaskEnvironment, text: str, agent: AgentSpec, user: str = "ada") -> Handle:
    """Start a task of a user, as the API does."""
    return await env.client.start_workflow(
        AgentTask.run,
        TaskInput(agent=agent, message=user_message(text)),
        id=f"task-{uuid.uuid4().hex}",
        task_queue=env.settings.task_queue,
        memo={MEMO_USER: user},
    )


@asynccontextmanager
async def memory_served(
    env: TaskEnvironment,
    memory: LongTermMemory,
    models: Mapping[str, Model] | None = None,
    *,
    plugins: Plugins | None = None,
) -> AsyncIterator[None]:
    """Run the worker of memory; ``models`` read transcripts at the end of tasks."""
    reader = TranscriptReader(env.client, TranscriptCache(1_000_000))
    build = partial(build_memory_worker, env.client, env.settings, memory, reader, models or {}, plugins=plugins)
    async with serving_memory(memory, build):
        yield
