"""What people do to tasks that continue as new: nothing of it is lost, and nothing is read or done twice."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import JsonValue

from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from tests.workflows.answering import pending_requests
from tests.workflows.conftest import TIMEOUT_S, Handle, TaskEnvironment
from tests.workflows.gates import GatedTool
from tests.workflows.steering_calls import answer_now, refusal_of, send_now, view_when
from workflows.agent_task import AgentTask
from workflows.search_attributes import STATUS

LOOKS = [ToolCall(id=f"l{number}", name="look", arguments={"number": number}) for number in range(40)]


@tool(effect="pure")
def look(number: int) -> str:
    return f"seen {number}"


async def is_continued(handle: Handle) -> bool:
    return (await handle.describe()).run_id != handle.first_execution_run_id


async def user_texts(env: TaskEnvironment, handle: Handle) -> list[str]:
    return [message.text for message in await env.transcript(handle) if message.role == "user"]


def newest_run(env: TaskEnvironment, handle: Handle) -> Handle:
    """Return the handle of whichever run is the newest, for updates and signals."""
    return env.client.get_workflow_handle_for(AgentTask.run, handle.id)


async def test_a_paused_task_continues_as_new_paused_with_its_messages(short_history_env: TaskEnvironment) -> None:
    env, working = short_history_env, GatedTool()
    work = tool(name="work", effect="pure")(working.__call__)
    calls: list[ScriptedResponse] = [*LOOKS[:2], ToolCall(id="w", name="work"), "Done."]
    async with env.worker(ScriptedModel.by_step(calls), look, work):
        handle = await env.start("Go.", env.agent(look, work))
        await asyncio.wait_for(working.started.wait(), TIMEOUT_S)
        assert not await is_continued(handle)
        for number in range(20):
            await send_now(handle, f"Message {number}.", id=f"m{number}")
        await handle.execute_update("pause")
        working.gate.set()
        newest = newest_run(env, handle)
        async with asyncio.timeout(TIMEOUT_S):
            while not await is_continued(handle):
                pass
        await view_when(newest, lambda view: view.doing == "paused")
        assert (await newest.describe()).typed_search_attributes.get(STATUS) == "paused"
        assert not (await send_now(newest, "Message 7.", id="m7")).is_new
        await send_now(newest, "The last one.", mode="interrupt")
        await newest.execute_update("resume")
        assert (await env.result(handle)).output == "Done."
        assert await user_texts(env, newest) == ["Go.", *(f"Message {n}." for n in range(20)), "The last one."]


async def test_a_limit_that_was_raised_while_history_grew_holds_in_the_next_run(
    short_history_env: TaskEnvironment,
) -> None:
    env = short_history_env
    async with env.worker(ScriptedModel.by_step([*LOOKS[:10], "Done."]), look):
        limits = {"max_steps": 2, "on_exhausted": "ask"}
        handle = await env.start("Go.", env.agent(look, limits=limits))
        await pending_requests(handle)
        for number in range(25):
            await send_now(handle, f"Message {number}.")
            stop: dict[str, JsonValue] = {"input_request_id": "input_1", "decision": "approve"}
            assert (await refusal_of(handle, "answer_input", stop))[0] == "AnswerMismatch"
        await answer_now(handle, "input_1", "raise", limits={"max_steps": 11})
        assert (await env.result(handle)).output == "Done."
        assert await is_continued(handle)
        newest = newest_run(env, handle)
        assert await user_texts(env, newest) == ["Go.", *(f"Message {number}." for number in range(25))]


@pytest.mark.parametrize("moves", [5, 30])
async def test_requests_that_were_answered_in_an_earlier_run_stay_answered(
    short_history_env: TaskEnvironment, moves: int
) -> None:
    env, paid = short_history_env, list[str]()

    @tool(effect="irreversible")
    def pay() -> str:
        paid.append("paid")
        return "paid"

    calls: list[ScriptedResponse] = [ToolCall(id="p", name="pay"), *LOOKS[:12], ToolCall(id="q", name="pay"), "Done."]
    async with env.worker(ScriptedModel.by_step(calls), pay, look):
        handle = await env.start("Go.", env.agent(pay, look))
        await pending_requests(handle)
        for _ in range(moves):
            await handle.signal("answer_input", {"input_request_id": "input_2", "decision": "approve"})
        await answer_now(handle, "input_1", "approve")
        newest = newest_run(env, handle)
        async with asyncio.timeout(TIMEOUT_S):
            while [request.id for request in await pending_requests(newest)] != ["input_2"]:
                pass
        assert await is_continued(handle)
        late: dict[str, JsonValue] = {"input_request_id": "input_1", "decision": "approve"}
        assert (await refusal_of(newest, "answer_input", late))[0] == "AlreadyAnswered"
        assert paid == ["paid"]
        await answer_now(newest, "input_2", "deny")
        assert (await env.result(handle)).output == "Done."
    assert paid == ["paid"]
