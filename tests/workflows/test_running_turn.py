"""Messages to a running turn: what interrupts it, races with its end, and turns that end in other ways."""

from __future__ import annotations

import asyncio

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from agentkit.messages import ImagePart, Message, TextPart, ToolCall
from agentkit.testing import ScriptedModel
from agentkit.tools import tool
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from tests.workflows.conversation_calls import Talk, start_talk
from tests.workflows.gates import GatedModel, GatedTool
from tests.workflows.steering_calls import send_now, view_when
from workflows.conversations.conversation import ConversationWorkflow

WORK = ToolCall(id="w", name="work")


async def test_a_message_that_interrupts_is_read_by_the_running_turn_at_once(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["Stopped.", "Next."]))
    async with env.worker(model):
        talk = await start_talk(env, on_busy="interrupt")
        first = await talk.send("Count to a million.")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        verdict, again = await talk.send("Stop.", "stop"), await talk.send("Stop.", "stop")
        assert (await env.result(talk.task(first.task_id))).output == "Stopped."
        await talk.until_idle(1)
        assert (await talk.texts())[-2:] == ["Stop.", "Stopped."]
        assert (await talk.send("Next?")).task_id != first.task_id
        await talk.until_idle(2)
    assert (verdict.outcome, verdict.task_id, verdict.is_new) == ("delivered", first.task_id, True)
    assert (again.outcome, again.task_id, again.is_new) == ("delivered", first.task_id, False)


async def test_a_message_with_an_image_and_one_that_is_very_long_interrupt_as_a_whole(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["Seen."]))
    image = Message(role="user", parts=(ImagePart(data=b"aW1hZ2U=", media_type="image/png"),))
    both = Message(role="user", parts=(TextPart(text="Look:"), *image.parts))
    async with env.worker(model):
        talk = await start_talk(env, on_busy="interrupt")
        await talk.send("Wait.")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        for message in (image, both, "x" * 150_000):
            assert (await talk.send(message)).outcome == "delivered"
        await talk.until_idle(1)
        messages = [message for message in await talk.transcript() if message.role == "user"]
    assert messages[1:3] == [image, both]
    assert messages[3].text == "x" * 150_000


async def test_an_irreversible_call_is_not_cut_off_by_a_message_that_interrupts(env: TaskEnvironment) -> None:
    gated = GatedTool()

    @tool(effect="irreversible", approval="never")
    async def pay() -> str:
        return await gated()

    model = ScriptedModel([ToolCall(id="p", name="pay"), "Paid, as you asked."])
    async with env.worker(model, pay):
        talk = await start_talk(env, env.agent(pay), on_busy="interrupt")
        first = await talk.send("Pay.")
        await asyncio.wait_for(gated.started.wait(), TIMEOUT_S)
        verdict = await talk.send("Don't.")
        gated.gate.set()
        await talk.until_idle(1)
        texts = await talk.texts()
    assert (verdict.outcome, verdict.task_id, gated.calls) == ("delivered", first.task_id, 1)
    assert texts == ["Pay.", "", "", "Don't.", "Paid, as you asked."]


async def test_a_message_that_comes_with_the_end_of_a_turn_is_read_once_however_it_races(env: TaskEnvironment) -> None:
    """The message meets the turn in every state between its last step and the time when its messages are stored."""

    async def respond(request: object) -> str:
        await asyncio.sleep(0)
        return "Yes."

    async with env.worker(ScriptedModel(respond)):
        talk = await start_talk(env, on_busy="interrupt")
        sent = []
        for number in range(24):
            sent.append(f"message {number}")
            await talk.send(sent[-1], f"m{number}")
            for _ in range(number % 8):
                await talk.view()
        view = await talk.view_when(lambda view: view.status == "idle" and not view.queued)
        read = [message.text for message in await talk.transcript() if message.role == "user"]
        turns = await talk.turns()
    assert sorted(read) == sorted(sent)
    assert 1 <= view.turns <= 24
    assert {turn.status for turn in turns} == {"completed"}


async def test_messages_that_a_turn_did_not_read_within_its_limits_become_the_next_turns(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["First.", "Second.", "Third.", "Fourth."]))
    agent = env.agent(limits={"max_steps": 1})
    async with env.worker(model):
        talk = await start_talk(env, agent, on_busy="enqueue")
        first = await talk.send("1")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await talk.send("4", "waits")
        await send_now(talk.task(first.task_id), "2")  # to the task itself
        # It doesn't interrupt: the step would end without an output then.
        await send_now(talk.task(first.task_id), "3", id="3")
        model.gate.set()
        await talk.until_idle(4)
        texts = await talk.texts()
    assert texts == ["1", "First.", "2", "Second.", "3", "Third.", "4", "Fourth."]


async def test_a_message_to_a_turn_that_is_terminated_before_reading_it_becomes_the_next_turn(
    env: TaskEnvironment,
) -> None:
    gated = GatedTool()

    @tool(effect="irreversible", approval="never")
    async def work() -> str:
        return await gated()

    model = ScriptedModel([WORK, "Answered."])
    async with env.worker(model, work):
        talk = await start_talk(env, env.agent(work), on_busy="interrupt")
        first = await talk.send("Work.")
        await asyncio.wait_for(gated.started.wait(), TIMEOUT_S)
        verdict = await talk.send("And now?", "now")
        await talk.task(first.task_id).terminate()
        gated.gate.set()
        await talk.until_idle(2)
        turns, texts = await talk.turns(), await talk.texts()
        late = await talk.send("And now?", "now")
    assert verdict.task_id == first.task_id
    assert [(turn.status, turn.task_id) for turn in turns] == [
        ("terminated", first.task_id),
        ("completed", f"{talk.id}-now"),
    ]
    assert texts[-2:] == ["And now?", "Answered."]
    assert (late.task_id, late.outcome, late.is_new) == (f"{talk.id}-now", "started", False)


async def test_a_conversation_that_is_reset_goes_on_with_the_turn_that_it_had_started(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["One.", "Two."]))
    async with env.worker(model):
        talk = await start_talk(env, on_busy="interrupt")
        first = await talk.send("1", "one")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await reset(talk)
        await talk.view_when(lambda view: view.current_task_id == first.task_id)
        model.gate.set()
        await talk.until_idle(1)
        assert await talk.say("2") == "Two."
        await talk.until_idle(2)
        assert await talk.texts() == ["1", "One.", "2", "Two."]


async def reset(talk: Talk) -> None:
    """Reset a conversation to its first workflow task; its signals and updates are applied again."""
    client = talk.env.client
    first_workflow_task_end = 4
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=talk.id),
            workflow_task_finish_event_id=first_workflow_task_end,
            request_id="reset",
            reason="test",
        )
    )


async def test_a_paused_turn_keeps_what_is_sent_until_it_is_resumed(env: TaskEnvironment) -> None:
    model = GatedModel(ScriptedModel(["Done."]))
    async with env.worker(model):
        talk = await start_talk(env, on_busy="interrupt")
        first = await talk.send("Go.")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        task = talk.task(first.task_id)
        await task.signal("pause")
        assert (await talk.send("Another thing.")).outcome == "delivered"
        await view_when(task, lambda view: view.status == "paused")
        await task.signal("resume")
        await talk.until_idle(1)
        assert (await talk.texts())[-2:] == ["Another thing.", "Done."]


async def test_queries_take_no_arguments_too(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["One."])):
        talk = await start_talk(env)
        await talk.say("1")
        await talk.until_idle(1)
        page = await talk.handle.query(ConversationWorkflow.transcript)
        assert (page.total, len(page.stored), (await talk.handle.query(ConversationWorkflow.turns)).total) == (2, 1, 1)
