"""Messages, interruptions, pause and resume of a running task."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel
from agentkit.tools import tool
from tests.unit.api.events.golden import events_of
from tests.workflows.answering import pending_requests
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from tests.workflows.gates import GatedModel, GatedTool
from tests.workflows.steering_calls import answer_now, refusal_of, send_now, view_when
from workflows.search_attributes import STATUS, STEPS
from workflows.task_types import ToolCallLedger

WORK = ToolCall(id="w", name="work")
PAY = ToolCall(id="p", name="pay")


async def test_messages_are_read_in_order_with_the_next_request_and_once_each(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel([WORK, "Done."]))

    @tool(effect="pure")
    def work() -> str:
        return "worked"

    async with env.worker(model, work):
        handle = await env.start("Go.", env.agent(work))
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        assert (await send_now(handle, "First.", id="1", sent_by="ada")).is_new
        assert not (await send_now(handle, "First.", id="1")).is_new
        await handle.signal("send_message", {"text": "Second."})
        await handle.signal("send_message", {"text": "First.", "id": "1"})
        await handle.signal("send_message", {"txt": "wrong"})
        model.gate.set()
        await env.result(handle)
        transcript = await env.transcript(handle)
    assert [(message.role, message.text) for message in transcript] == [
        ("user", "Go."),
        ("assistant", ""),
        ("tool", ""),
        ("user", "First."),
        ("user", "Second."),
        ("assistant", "Done."),
    ]


async def test_a_message_that_comes_with_the_last_response_is_not_lost(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["Done.", "You are welcome."]))
    async with env.worker(model):
        handle = await env.start("Go.", env.agent())
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await send_now(handle, "Thanks!")
        model.gate.set()
        assert (await env.result(handle)).output == "You are welcome."
        transcript = await env.transcript(handle)
    assert [message.text for message in transcript] == ["Go.", "Done.", "Thanks!", "You are welcome."]


@pytest.mark.parametrize("on_exhausted", ["fail", "ask"])
async def test_a_message_that_comes_with_the_last_response_within_the_limits_takes_no_output_away(
    env: TaskEnvironment, on_exhausted: str
) -> None:
    model = GatedModel(ScriptedModel(["Done.", "never"]))
    async with env.worker(model):
        limits = {"max_steps": 1, "on_exhausted": on_exhausted}
        handle = await env.start("Go.", env.agent(limits=limits))
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await send_now(handle, "Thanks!")
        model.gate.set()
        assert (await env.result(handle)).output == "Done."


async def test_an_interruption_cancels_the_model_and_keeps_what_it_had_written(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["Blue it is."]))
    async with env.worker(model):
        handle = await env.start("Go.", env.agent())
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await send_now(handle, "Take blue.", mode="interrupt")
        result = await env.result(handle)
        transcript = await env.transcript(handle)
    assert result.output == "Blue it is."
    assert [(message.text, message.is_interrupted) for message in transcript] == [
        ("Go.", False),
        ("So far ", True),
        ("Take blue.", False),
        ("Blue it is.", False),
    ]
    assert result.usage.model_calls == 2


async def test_an_interruption_cancels_repeatable_calls_and_lets_irreversible_ones_end(env: TaskEnvironment) -> None:
    working, paying = GatedTool(), GatedTool()
    work = tool(name="work", effect="idempotent")(working.__call__)
    pay = tool(name="pay", effect="irreversible", approval="never")(paying.__call__)
    ask = ToolCall(id="a", name="send")

    @tool(effect="irreversible")
    def send() -> str:
        raise AssertionError

    model = ScriptedModel([[WORK, PAY, ask], "Stopped."])
    async with env.worker(model, work, pay, send):
        handle = await env.start("Go.", env.agent(work, pay, send))
        await asyncio.wait_for(asyncio.gather(working.started.wait(), paying.started.wait()), TIMEOUT_S)
        await pending_requests(handle)
        await send_now(handle, "Stop.", mode="interrupt")
        await pending_requests(handle, 0)
        assert len(model.requests) == 1
        paying.gate.set()
        await env.result(handle)
        results = {result.name: result for result in await env.tool_results(handle)}
        ledger = await handle.query("tool_calls", result_type=ToolCallLedger)
    assert (results["pay"].content, paying.calls) == ("worked", 1)
    assert "a person interrupted" in results["work"].content
    assert "A person interrupted the step" in results["send"].content
    assert [entry.state for entry in ledger.tool_calls] == ["failed", "done", "refused"]


async def test_a_pause_lets_what_is_in_flight_end_and_starts_nothing(env: TaskEnvironment) -> None:
    working = GatedTool()
    work = tool(name="work", effect="pure")(working.__call__)
    model = ScriptedModel([WORK, "Done."])
    async with env.worker(model, work):
        handle = await env.start("Go.", env.agent(work))
        await asyncio.wait_for(working.started.wait(), TIMEOUT_S)
        await handle.execute_update("resume")
        await handle.execute_update("pause")
        await handle.signal("pause")
        working.gate.set()
        view = await view_when(handle, lambda view: view.doing == "paused")
        assert (view.status, len(model.requests)) == ("paused", 1)
        assert (await handle.describe()).typed_search_attributes.get(STATUS) == "paused"
        await send_now(handle, "While paused.")
        await handle.execute_update("resume")
        assert (await env.result(handle)).output == "Done."
        transcript = await env.transcript(handle)
    assert [message.text for message in transcript if message.role == "user"] == ["Go.", "While paused."]


async def test_a_call_that_is_approved_while_the_task_is_paused_is_made_when_it_is_resumed(
    env: TaskEnvironment,
) -> None:
    paying = GatedTool()
    paying.gate.set()
    pay = tool(name="pay", effect="irreversible")(paying.__call__)
    async with env.worker(ScriptedModel([PAY, "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay))
        await pending_requests(handle)
        await handle.execute_update("pause")
        await view_when(handle, lambda view: view.status == "paused")
        await answer_now(handle, "input_1", "approve")
        await view_when(handle, lambda view: "input_1" not in view.doing)
        assert paying.calls == 0
    async with env.worker(ScriptedModel(["Paid."]), pay):
        await handle.execute_update("resume")
        assert (await env.result(handle)).output == "Paid."
    assert paying.calls == 1


async def test_a_call_that_waits_for_a_resume_is_not_made_after_an_interruption(env: TaskEnvironment) -> None:
    paying = GatedTool()
    paying.gate.set()
    pay = tool(name="pay", effect="irreversible")(paying.__call__)
    async with env.worker(ScriptedModel([PAY, "Not paid."]), pay):
        handle = await env.start("Go.", env.agent(pay))
        await pending_requests(handle)
        await handle.execute_update("pause")
        await answer_now(handle, "input_1", "approve")
        await send_now(handle, "Don't pay!", mode="interrupt")
        await handle.execute_update("resume")
        await env.result(handle)
        (result,) = await env.tool_results(handle)
        ledger = await handle.query("tool_calls", result_type=ToolCallLedger)
        events = await events_of(await handle.fetch_history())
    assert paying.calls == 0
    assert result.content == "pay was not called: a person interrupted. Read their message first."
    (failed,) = [event for event in events if event.type == "tool.failed"]
    assert failed.data["error"] == {"type": "NotCalled", "message": result.content}
    assert [(entry.state, entry.attempts) for entry in ledger.tool_calls] == [("not_done", 0)]


async def test_a_task_that_is_paused_at_a_limit_starts_nothing_when_the_limit_is_raised(env: TaskEnvironment) -> None:
    @tool(effect="pure")
    def work() -> str:
        return "worked"

    model = ScriptedModel([WORK, "Done."])
    async with env.worker(model, work):
        handle = await env.start("Go.", env.agent(work, limits={"max_steps": 1, "on_exhausted": "ask"}))
        await pending_requests(handle)
        await handle.execute_update("pause")
        await send_now(handle, "Hello.")
        await answer_now(handle, "input_1", "raise", limits={"max_steps": 5})
        await view_when(handle, lambda view: view.doing == "paused")
        assert len(model.requests) == 1
        await handle.execute_update("resume")
        await env.result(handle)
    assert model.requests[1].messages[-1].text == "Hello."


async def test_a_task_that_is_paused_before_it_starts_is_listed_as_paused(env: TaskEnvironment) -> None:
    handle = await env.start("Go.", env.agent())
    await handle.signal("pause")
    async with env.worker(ScriptedModel(["Done."])):
        assert (await view_when(handle, lambda view: view.status == "paused")).steps == 0
        assert (await handle.describe()).typed_search_attributes.get(STATUS) == "paused"
        await handle.signal("resume")
        assert (await env.result(handle)).output == "Done."


async def test_a_task_that_is_woken_before_its_time_waits_for_it(
    time_skipping_env: TaskEnvironment, time_skipping_server: WorkflowEnvironment
) -> None:
    env, model = time_skipping_env, ScriptedModel(["Done."])
    start_at = await time_skipping_server.get_current_time() + timedelta(hours=2)
    async with env.worker(model):
        with time_skipping_server.auto_time_skipping_disabled():
            handle = await env.start("Go.", env.agent(limits={"deadline": "1h"}), start_at=start_at)
            await send_now(handle, "Hello.", mode="interrupt")
            await handle.execute_update("raise_limits", {"max_steps": 50})
            await handle.execute_update("pause")
            assert (await view_when(handle, lambda view: view.status == "paused")).steps == 0
            await handle.execute_update("resume")
            view = await view_when(handle, lambda view: view.status == "queued")
            attributes = (await handle.describe()).typed_search_attributes
            assert (view.steps, attributes.get(STATUS), attributes.get(STEPS)) == (0, "queued", None)
            assert not model.requests
        assert (await env.result(handle)).output == "Done."
        assert await time_skipping_server.get_current_time() >= start_at
    assert [message.text for message in model.requests[0].messages] == ["Go.", "Hello."]


async def test_a_task_whose_time_has_not_come_can_be_cancelled(
    time_skipping_env: TaskEnvironment, time_skipping_server: WorkflowEnvironment
) -> None:
    env, model = time_skipping_env, ScriptedModel(["Done."])
    start_at = await time_skipping_server.get_current_time() + timedelta(hours=2)
    async with env.worker(model):
        with time_skipping_server.auto_time_skipping_disabled():
            handle = await env.start("Go.", start_at=start_at)
            await view_when(handle, lambda view: view.status == "queued")
            await handle.cancel()
            await view_when(handle, lambda view: view.status == "cancelled")
    assert not model.requests


async def test_a_paused_task_can_be_cancelled(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["Done."]))
    async with env.worker(model):
        handle = await env.start("Go.", env.agent())
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await handle.execute_update("pause")
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await env.result(handle)


async def test_more_messages_than_a_hundred_are_refused(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["Done.", "All read."]))
    async with env.worker(model):
        handle = await env.start("Go.", env.agent())
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await asyncio.gather(*(handle.signal("send_message", {"text": f"{number}"}) for number in range(100)))
        kind, message = await refusal_of(handle, "send_message", {"text": "one more"})
        assert (kind, message) == ("SteeringInvalid", "100 messages wait for the model already. Send this one later.")
        assert (await refusal_of(handle, "send_message", {"text": ""}))[0] == "SteeringInvalid"
        model.gate.set()
        assert (await env.result(handle)).output == "All read."


async def test_messages_pause_and_decisions_survive_continue_as_new(short_history_env: TaskEnvironment) -> None:
    env = short_history_env
    calls = [ToolCall(id=f"c{number}", name="pay", arguments={"number": number}) for number in range(25)]

    @tool(effect="irreversible")
    def pay(number: int) -> str:
        return f"paid {number}"

    async with env.worker(ScriptedModel.by_step([*calls, "Paid."]), pay):
        handle = await env.start("Go.", env.agent(pay, limits={"max_steps": 5, "max_repeats": 0}))
        await pending_requests(handle)
        await handle.execute_update("raise_limits", {"max_steps": 50})
        await send_now(handle, "Hello.", id="1")
        await answer_now(handle, "input_1", "approve", remember="task")
        assert (await env.result(handle)).output == "Paid."
        ledger = await handle.query("tool_calls", result_type=ToolCallLedger)
        transcript = await env.transcript(handle)
        runs = handle.first_execution_run_id != (await handle.describe()).run_id
    assert runs, "the task continued as new"
    assert [entry.state for entry in ledger.tool_calls] == ["done"] * 25
    assert [message.text for message in transcript if message.role == "user"] == ["Go.", "Hello."]
