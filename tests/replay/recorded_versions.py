"""The recorded task of versioned workers, which moves from one version to another."""

from __future__ import annotations

import asyncio

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from activities.settings import Settings
from activities.temporal.versions.worker_deployments import set_current_version
from agentkit.messages import ToolCall, user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry
from agentkit.tools.builtin.ask_person import ask_person_tool
from worker import build_worker
from workflows.agent_task import AgentTask
from workflows.task_types import PendingInput, TaskInput, TaskResult

_CACHE_S = 2.0
"""For so long Temporal may not know yet that another version is current."""


async def run_task_that_moves(client: Client, settings: Settings, name: str) -> WorkflowHandle[AgentTask, TaskResult]:
    """Run a task that waits for a person while the version ``v2`` takes the place of ``v1``."""
    agent = AgentSpec(name="recorded", models=("scripted:m",), planner="tools", tools=(ask_person_tool().spec,))
    ask = ToolCall(id="1", name="ask_person", arguments={"question": "Now?"})
    await set_current_version(client, settings.deployment, "v1", allow_no_pollers=True)
    async with _worker(client, settings, "v1", [ask]):
        handle = await client.start_workflow(
            AgentTask.run,
            TaskInput(agent=agent, message=user_message(f"Show {name}.")),
            id=f"recorded-{name}",
            task_queue=settings.task_queue,
        )
        while not (await handle.query("input_requests", result_type=PendingInput)).input_requests:
            pass
        async with _worker(client, settings, "v2", ["Done."]):
            await set_current_version(client, settings.deployment, "v2", allow_no_pollers=True)
            await asyncio.sleep(_CACHE_S)
            await handle.signal("answer_input", {"input_request_id": "input_1", "decision": "answer", "answer": "Yes"})
            await asyncio.wait_for(handle.result(), 60)
    await set_current_version(client, settings.deployment, None)
    return handle


def _worker(client: Client, settings: Settings, build_id: str, script: list[ScriptedResponse]) -> Worker:
    settings = settings.model_copy(update={"build_id": build_id})
    return build_worker(client, settings, {"scripted": ScriptedModel(script)}, ToolRegistry([]), InlineOutputChecker())
