"""How ended turns are taken over into their conversation: deleted, failed, cancelled, many, and shortened ones."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from activities.conversations.conversation_payloads import TakenTurn, TurnToTake
from activities.conversations.conversation_turns import ConversationActivities
from activities.model import ModelActivities
from activities.payload_types import TranscriptRange
from activities.storage.message_storage import MessageStorage
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.payload_storage import payload_directory
from agentkit.errors import ModelRequestRejected
from agentkit.messages import ToolCall, ToolResult
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.testing import ScriptedCompactor, ScriptedModel
from agentkit.tools import Image, tool
from tests.workflows.compacting import FULL, SMALL_WINDOW, look, looking, response, summary_texts
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from tests.workflows.conversation_calls import start_talk
from tests.workflows.gates import GatedModel, GatedTool
from tests.workflows.steering_calls import view_when
from workflows.conversations.conversation import ConversationWorkflow
from workflows.worker_workflows import WORKFLOWS
from workflows.workflow_sandbox import sandboxed_runner

PNG = b"\x89PNG\r\n\x1a\n" + bytes(5_000)


def delete_payloads(env: TaskEnvironment, workflow_id: str) -> None:
    """Delete what a workflow has stored, as the collector of payloads does when Temporal has erased it."""
    shutil.rmtree(env.settings.data_dir / "payloads" / payload_directory(env.client.namespace, workflow_id))


async def test_a_conversation_needs_its_ended_turns_no_more_also_for_images_and_long_results(
    env: TaskEnvironment,
) -> None:
    @tool(effect="pure")
    def draw() -> list[object]:
        return ["x" * 100_000, Image(PNG)]

    model = ScriptedModel([ToolCall(id="d", name="draw"), "Drawn.", "Yes."])
    async with env.worker(model, draw):
        talk = await start_talk(env, env.agent(draw))
        first = await talk.send("Draw.")
        await talk.until_idle(1)
        await talk.delete_execution(first.task_id)
        delete_payloads(env, first.task_id)
    async with env.worker(model, draw):  # one that has nothing in its caches
        assert await talk.say("Have you drawn?") == "Yes."
        await talk.until_idle(2)
        assert await talk.texts() == ["Draw.", "", "", "Drawn.", "Have you drawn?", "Yes."]
    [shown] = [part for message in model.requests[2].messages for part in message.parts if isinstance(part, ToolResult)]
    assert [image.data for image in shown.images] == [PNG]


async def test_a_turn_that_is_deleted_while_it_runs_leaves_a_notice_and_its_messages_become_turns(
    env: TaskEnvironment,
) -> None:
    model = GatedModel(ScriptedModel(["Second.", "Third."]))
    async with env.worker(model):
        talk = await start_talk(env, on_busy="interrupt")
        first = await talk.send("1")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await talk.task(first.task_id).signal("pause")
        await talk.send("2", "2")
        await view_when(talk.task(first.task_id), lambda view: view.status == "paused")
        await talk.delete_execution(first.task_id)
        await talk.until_idle(2)
        turns, texts = await talk.turns(), await talk.texts()
        model.gate.set()
    assert [turn.status for turn in turns] == ["terminated", "completed"]
    assert (texts[0], texts[2:]) == ("1", ["2", "Second."])
    assert texts[1].startswith("The work on this message is lost")


async def test_the_output_of_a_turn_that_is_deleted_before_it_is_taken_over_stays(env: TaskEnvironment) -> None:
    model = ScriptedModel(["The output.", "Next."])
    models = ModelActivities(
        {"scripted": model}, TranscriptReader(env.client, TranscriptCache(1_000_000)), InlineOutputChecker()
    )
    without_conversations = Worker(
        env.client,
        task_queue=env.settings.task_queue,
        workflows=WORKFLOWS,
        activities=[models.request_model],
        workflow_runner=sandboxed_runner(),
    )
    async with without_conversations:
        talk = await start_talk(env)
        first = await talk.send("1")
        await env.result(talk.task(first.task_id))
        await talk.delete_execution(first.task_id)
    async with env.worker(model):
        view = await talk.until_idle(1)
        [turn] = await talk.turns()
        assert await talk.say("2") == "Next."
    assert (turn.status, turn.output, view.usage.model_calls) == ("completed", "The output.", 1)
    assert [message.text for message in model.requests[1].messages] == ["1", "The output.", "2"]


async def test_a_failed_turn_keeps_its_message_and_says_why_it_failed(env: TaskEnvironment) -> None:
    model = ScriptedModel([ModelRequestRejected("no such model"), "Now it works."])
    async with env.worker(model):
        talk = await start_talk(env)
        await talk.send("1")
        await talk.until_idle(1)
        [turn] = await talk.turns()
        await talk.say("2")
        await talk.until_idle(2)
        texts = await talk.texts()
    assert (turn.status, turn.output) == ("failed", None)
    assert "no such model" in (turn.error or "")
    assert (texts[0], texts[2:]) == ("1", ["2", "Now it works."])
    assert texts[1].startswith("The work on this message ended before it was finished: it failed (")


async def test_a_cancelled_turn_says_which_calls_of_its_unfinished_step_took_effect(env: TaskEnvironment) -> None:
    gated = GatedTool()

    @tool(effect="irreversible", approval="never")
    def pay(cents: int) -> str:
        return "paid"

    @tool(effect="pure")
    async def work() -> str:
        return await gated()

    calls = [ToolCall(id="p", name="pay", arguments={"cents": 17}), ToolCall(id="w", name="work")]
    model = ScriptedModel([looking(1), calls, "It was paid."])
    async with env.worker(model, pay, work, look):
        talk = await start_talk(env, env.agent(pay, work, look))
        first = await talk.send("Pay and work.")
        await asyncio.wait_for(gated.started.wait(), TIMEOUT_S)
        task = talk.task(first.task_id)
        async with asyncio.timeout(TIMEOUT_S):
            while "done" not in str(await task.query("tool_calls")).split("pay", 1)[1]:
                pass
        await task.cancel()
        await talk.until_idle(1)
        await talk.say("What now?")
        await talk.until_idle(2)
        texts = await talk.texts()
    assert texts[:3] == ["Pay and work.", "", ""]
    assert "it was cancelled" in texts[3]
    assert '\n- pay {"cents": 17}: done' in texts[3]
    assert texts[4:] == ["What now?", "It was paid."]


async def test_a_turn_that_shortens_the_transcript_makes_a_new_version_of_the_conversations(
    env: TaskEnvironment,
) -> None:
    @tool(effect="irreversible", approval="never")
    def pay() -> str:
        return "paid"

    script = [ToolCall(id="p", name="pay"), response("Paid."), response("Two.", FULL), "Three.", "Four."]
    model, compactor = ScriptedModel(script), ScriptedCompactor()
    async with env.worker(model, pay, compactor=compactor):
        talk = await start_talk(env, env.agent(pay, compaction=SMALL_WINDOW))
        for text in ("1", "2", "3"):
            await talk.say(text)
        view = await talk.until_idle(3)
        await talk.say("4")
        await talk.until_idle(4)
        turns, messages = await talk.turns(), await talk.transcript()
        old = await talk.handle.query("transcript", TranscriptRange(version=1))
    assert (view.version, old["total"], [turn.version for turn in turns]) == (2, 6, [1, 1, 2, 2])
    assert [request.reason for request in compactor.requests] == ["share"], "the turn after the one that was too long"
    [summary] = summary_texts(messages)
    assert "pay" in summary.split("\n", 1)[1], "what the first turn paid"
    assert messages[0].text == "1"
    assert [message.text for message in messages[-4:]] == ["3", "Three.", "4", "Four."]
    assert [message.text for message in model.requests[-1].messages] == [message.text for message in messages[:-1]]


async def test_small_pages_are_stored_again_as_one(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["One.", "Two.", "Three."])):
        talk = await start_talk(env)
        for text in ("1", "2", "3"):
            await talk.say(text)
        await talk.until_idle(3)
        first, second, third = await talk.turns()
        page = await talk.handle.query(ConversationWorkflow.transcript)
        turn = TurnToTake(
            conversation_id=talk.id,
            task_id=third.task_id,
            end=second.end or 0,
            digest=second.digest,
            small_pages=page.stored[:2],
        )
        taken = await attempt(env, turn, 1)
        [merged] = taken.pages
        messages = await MessageStorage(env.client).read(merged, 0)
    assert (first.end, len(page.stored)) == (2, 3)
    assert (merged.start, merged.end, taken.end, taken.digest) == (0, 6, 6, third.digest)
    assert [message.text for message in messages] == ["1", "One.", "2", "Two.", "3", "Three."]


async def test_a_turn_whose_messages_are_lost_is_given_up_after_some_attempts_and_a_full_disk_never_gives_it_up(
    short_history_env: TaskEnvironment,
) -> None:
    env = short_history_env
    async with env.worker(ScriptedModel([*map(looking, range(12)), "Seen."]), look):
        _, task = await env.run("Look.", env.agent(look))
        turn = TurnToTake(conversation_id="conversation-1", task_id=task.id)
        taken = await attempt(env, turn, 1)
        assert (taken.status, taken.end, taken.output) == ("completed", 26, "Seen.")
        payloads = env.settings.data_dir / "payloads"
        conversation = payloads / payload_directory(env.client.namespace, "conversation-2")
        conversation.parent.mkdir(exist_ok=True)
        conversation.write_text("no directory")
        unwritable = turn.model_copy(update={"conversation_id": "conversation-2"})
        assert [await is_given_up(env, unwritable, number) for number in (1, 50)] == [False, False]
        delete_payloads(env, task.id)
        assert [await is_given_up(env, turn, number) for number in (1, 12)] == [False, True]


async def attempt(env: TaskEnvironment, turn: TurnToTake, number: int) -> TakenTurn:
    """Run the activity in its attempt of this number, with empty caches."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=number)
    reader = TranscriptReader(env.client, TranscriptCache(0))
    return await environment.run(ConversationActivities(env.client, reader).take_turn, turn)


async def is_given_up(env: TaskEnvironment, turn: TurnToTake, number: int) -> bool:
    with pytest.raises(ApplicationError) as raised:
        await attempt(env, turn, number)
    assert raised.value.type == "PayloadStorageFailed"
    return raised.value.non_retryable


@pytest.mark.parametrize("is_shortened", [False, True], ids=["whole", "shortened before the second turn"])
async def test_each_turn_makes_a_plan_of_its_own(env: TaskEnvironment, is_shortened: bool) -> None:
    first, second = '{"plan": ["look"]}', '{"plan": ["look again"]}'
    model = ScriptedModel(
        [first, looking(1), response("Fog.", FULL if is_shortened else 10), second, looking(2), "Sun."]
    )
    compactor = ScriptedCompactor(keep=2)
    async with env.worker(model, look, compactor=compactor):
        talk = await start_talk(env, env.agent(look, planner="plan", compaction=SMALL_WINDOW))
        outputs = [await talk.say("Look."), await talk.say("Look again.")]
    assert outputs == ["Fog.", "Sun."]
    assert len(compactor.requests) == is_shortened
    asked_for_plan = [request.output_schema is not None for request in model.requests]
    assert asked_for_plan == [True, False, False, True, False, False]
