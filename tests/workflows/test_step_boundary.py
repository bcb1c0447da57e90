"""A task that waits between two steps, for a person or while it is paused, continues as new with what it waits for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from tests.workflows.answering import pending_requests
from tests.workflows.compacting import look, looking
from tests.workflows.conftest import TIMEOUT_S, Handle, TaskEnvironment
from tests.workflows.gates import GatedTool
from tests.workflows.run_events import events_of_runs
from tests.workflows.steering_calls import answer_now, send_now, view_when
from workflows.search_attributes import INPUT, STATUS
from workflows.task_types import TaskResult

LOOKS = [looking(number) for number in range(9)]


async def until_continued(env: TaskEnvironment, handle: Handle) -> Handle:
    """Send messages until the task has continued as new; return the handle of whichever run is the newest."""
    newest = env.client.get_workflow_handle(handle.id, result_type=TaskResult)
    count = 0
    async with asyncio.timeout(TIMEOUT_S):
        while (await newest.describe()).run_id == handle.first_execution_run_id:
            if count < 40:
                await send_now(newest, f"Message {count}.", id=f"m{count}")
                count += 1
    return newest


class AskingTask:
    """A task that asks a person at its limit, after one step; its worker runs within ``async with``."""

    def __init__(self, env: TaskEnvironment, limits: dict[str, Any]) -> None:
        self._env = env
        self._limits = {**limits, "on_exhausted": "ask"}
        self._work = GatedTool()
        self.raised: dict[str, Any] = {name: {"max_steps": 60, "deadline": 3600.0}[name] for name in limits}
        """Limits that suffice."""
        tools = (look, tool(name="work", effect="pure")(self._work.__call__))
        self._agent = env.agent(*tools, limits=self._limits)
        model = ScriptedModel.by_step([ToolCall(id="w", name="work"), *LOOKS[:3], "Done."])
        self._worker = env.worker(model, *tools)

    async def __aenter__(self) -> AskingTask:
        await self._worker.__aenter__()
        return self

    async def __aexit__(self, *args: Any) -> None:
        await self._worker.__aexit__(*args)

    async def start(self) -> Handle:
        """Start the task; return it when it waits between its first two steps."""
        handle = await self._env.start("Go.", self._agent)
        await asyncio.wait_for(self._work.started.wait(), TIMEOUT_S)
        if "deadline" in self._limits:
            await pending_requests(handle)
        self._work.gate.set()
        await pending_requests(handle)
        return handle


def request_events(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events if event["type"].startswith("input.")]


LIMITS = pytest.mark.parametrize("limits", [{"max_steps": 1}, {"deadline": 0.3}], ids=["steps", "deadline"])


@LIMITS
async def test_a_request_for_a_limit_is_carried_and_answered_in_a_later_run(
    short_history_env: TaskEnvironment, limits: dict[str, Any]
) -> None:
    env = short_history_env
    async with AskingTask(env, limits) as task:
        handle = await task.start()
        [before] = await pending_requests(handle)
        newest = await until_continued(env, handle)
        [after] = await pending_requests(newest)
        described = await newest.describe()
        view = await view_when(newest, lambda view: view.status == "waiting")
        await answer_now(newest, "input_1", "raise", limits=task.raised)
        assert (await env.result(handle)).output == "Done."
        texts = [message.text for message in await env.transcript(newest) if message.role == "user"]
        events = await events_of_runs(env, handle.id)
    assert after == before
    assert described.typed_search_attributes.get(STATUS) == "waiting"
    assert described.typed_search_attributes.get(INPUT) == ["kind:limit"]
    assert view.steps == 1
    assert texts == ["Go.", *(f"Message {number}." for number in range(len(texts) - 1))]
    assert len(texts) > 2
    assert request_events(events) == ["input.requested", "input.answered"]


@LIMITS
async def test_a_task_is_stopped_at_its_limit_in_a_later_run(
    short_history_env: TaskEnvironment, limits: dict[str, Any]
) -> None:
    env = short_history_env
    async with AskingTask(env, limits) as task:
        newest = await until_continued(env, await task.start())
        await answer_now(newest, "input_1", "stop", answered_by="ada")
        error, failure = await env.failure(newest)
    assert error.type in ("LimitExceeded", "DeadlineExceeded")
    assert failure.step == 1


@LIMITS
async def test_raising_the_limit_in_a_later_run_settles_the_request(
    short_history_env: TaskEnvironment, limits: dict[str, Any]
) -> None:
    env = short_history_env
    async with AskingTask(env, limits) as task:
        newest = await until_continued(env, await task.start())
        await newest.signal("raise_limits", task.raised)
        assert (await env.result(newest)).output == "Done."
        assert await pending_requests(newest, 0) == ()


async def test_a_task_can_be_cancelled_while_it_waits_in_a_later_run(short_history_env: TaskEnvironment) -> None:
    env = short_history_env
    async with AskingTask(env, {"max_steps": 1}) as task:
        newest = await until_continued(env, await task.start())
        await newest.cancel()
        async with asyncio.timeout(TIMEOUT_S):
            while (await newest.describe()).close_time is None:
                pass
        events = await events_of_runs(env, newest.id)
    assert events[-1]["type"] == "task.cancelled"


async def test_a_paused_task_continues_as_new_while_it_is_paused(short_history_env: TaskEnvironment) -> None:
    env, working = short_history_env, GatedTool()
    work = tool(name="work", effect="pure")(working.__call__)
    responses: list[ScriptedResponse] = [ToolCall(id="w", name="work"), looking(1), "Done."]
    async with env.worker(ScriptedModel.by_step(responses), look, work):
        handle = await env.start("Go.", env.agent(look, work))
        await asyncio.wait_for(working.started.wait(), TIMEOUT_S)
        await handle.execute_update("pause")
        working.gate.set()
        await view_when(handle, lambda view: view.doing == "paused")
        newest = await until_continued(env, handle)
        await view_when(newest, lambda view: view.doing == "paused")
        assert (await newest.describe()).typed_search_attributes.get(STATUS) == "paused"
        await newest.execute_update("resume")
        assert (await env.result(handle)).output == "Done."
