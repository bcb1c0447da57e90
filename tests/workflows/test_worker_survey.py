"""What a worker that lacks a tool says about the others: on a real Temporal server, with real workers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from activities.temporal.task_queue_pollers import listed_pollers
from activities.temporal.worker_identity import own_identity
from activities.worker.worker_survey import WorkersWithTool
from agentkit.interfaces import Tool
from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel
from agentkit.tools import tool
from tests.workflows.conftest import TaskEnvironment


@tool(effect="pure")
def half(number: int) -> float:
    return number / 2


async def until_listed(env: TaskEnvironment, count: int) -> None:
    async with asyncio.timeout(30):
        while len(await listed_pollers(env.client, env.settings.task_queue)) < count:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.05)


async def app_worker(env: TaskEnvironment, app: str, *tools: Tool) -> Worker:
    """Return a worker with a client of its own, as the workers of one task queue in a process need."""
    address = env.client.service_client.config.target_host
    client = await Client.connect(address, data_converter=env.client.data_converter)
    return replace(env, client=client).worker(ScriptedModel([]), *tools, app_name=app)


async def test_the_workers_that_have_a_tool_are_named(env: TaskEnvironment) -> None:
    async with await app_worker(env, "without"), await app_worker(env, "with", half):
        await until_listed(env, 2)
        survey = WorkersWithTool(env.client)
        known = await survey.sentence("half", env.settings.task_queue, 20)
        unknown = await survey.sentence("double", env.settings.task_queue, 20)
    identity = own_identity(env.settings.model_copy(update={"app_name": "with"}))
    assert known == f"These workers of the task queue have it: {identity}."
    assert unknown == "None of the 2 workers of the task queue that were asked has it."


async def test_what_can_not_be_found_out_in_time_is_said_to_be_unknown(
    env: TaskEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    sentence = await WorkersWithTool(env.client).sentence("half", "nobody-polls-this", 0.2)
    assert sentence == "Whether another worker of the task queue has it isn't known."
    assert "which other workers have the tool half: TimeoutError()" in caplog.text


async def test_a_refusal_says_whether_another_worker_has_the_tool(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([ToolCall(id="c", name="half", arguments={"number": 4})])):
        handle = await env.start("Go.", env.agent(half))
        async with asyncio.timeout(60):
            async for event in handle.fetch_history_events(wait_new_event=True):
                failure = event.activity_task_failed_event_attributes.failure
                if failure.application_failure_info.type == "ToolNotServed":
                    break
        await handle.terminate()
    assert failure.message == (
        f"{own_identity(env.settings)}: There is no tool 'half'. Tools: none. "
        "None of the 1 workers of the task queue that were asked has it."
    )
