"""Conversations: turns that share a transcript, messages while one runs, and what outlives the turns."""

from __future__ import annotations

import asyncio

from agentkit.testing import ScriptedModel
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from tests.workflows.conversation_calls import start_talk
from tests.workflows.gates import GatedModel


async def test_each_turn_reads_those_before_and_copies_nothing(env: TaskEnvironment) -> None:
    model = ScriptedModel(["Hello Ada.", "Ada.", "Bye."])
    async with env.worker(model):
        talk = await start_talk(env)
        assert await talk.say("I am Ada, marker-one.", "m1") == "Hello Ada."
        assert await talk.say("Who am I?", "m2") == "Ada."
        assert await talk.say("Bye.") == "Bye."
        view = await talk.until_idle(3)
        turns = await talk.turns()
        texts = await talk.texts()
        history = await talk.task(f"{talk.id}-m2").fetch_history()
    whole = ["I am Ada, marker-one.", "Hello Ada.", "Who am I?", "Ada.", "Bye.", "Bye."]
    assert texts == whole
    assert [message.text for message in model.requests[2].messages] == whole[:5]
    assert (view.turns, view.messages, view.usage.model_calls, view.version) == (3, 6, 3, 1)
    assert [(turn.number, turn.status, turn.input, turn.output, turn.end) for turn in turns] == [
        (1, "completed", "I am Ada, marker-one.", "Hello Ada.", 2),
        (2, "completed", "Who am I?", "Ada.", 4),
        (3, "completed", "Bye.", "Bye.", 6),
    ]
    assert turns[0].task_id == f"{talk.id}-m1"
    assert "marker-one" not in history.to_json()


async def test_a_message_that_may_not_wait_is_refused_while_a_turn_runs_and_taken_as_soon_as_its_task_has_ended(
    env: TaskEnvironment,
) -> None:
    model = GatedModel(ScriptedModel(["One.", "Two."]))
    async with env.worker(model):
        talk = await start_talk(env)
        first = await talk.send("1", on_busy="reject")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        assert await talk.refusal("no", on_busy="reject") == "ConversationBusy"
        model.gate.set()
        await env.result(talk.task(first.task_id))
        second = await talk.send("2", on_busy="reject")
        assert (second.outcome, second.is_new) == ("started", True)
        await talk.until_idle(2)
        assert await talk.texts() == ["1", "One.", "2", "Two."]
