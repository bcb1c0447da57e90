"""Conversations: turns that share a transcript, what becomes of messages, and how a conversation lives and ends."""

from __future__ import annotations

import asyncio

from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from activities.conversations.conversation_payloads import CopiedTranscript
from activities.storage.message_storage import MessageStorage
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, TextPart, user_message
from agentkit.testing import ScriptedModel
from agentkit.transcript import Transcript
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from tests.workflows.conversation_calls import Talk, start_talk
from tests.workflows.gates import GatedModel
from workflows.conversations.conversation_types import ConversationFork, ConversationMessage, ConversationSummary
from workflows.search_attributes import AGENT, CONVERSATION, STATUS
from workflows.task_types import TaskStatus


def numbered() -> ScriptedModel:
    """A model whose response is the number of the person's messages so far, and the newest one."""

    async def respond(request: ModelRequest) -> str:
        texts = [message.text for message in request.messages if message.role == "user"]
        return f"{len(texts)}: {texts[-1]}"

    return ScriptedModel(respond)


async def test_each_turn_reads_those_before_and_copies_nothing(env: TaskEnvironment) -> None:
    model = ScriptedModel(["Hello Ada.", "Ada.", "Bye."])
    async with env.worker(model):
        talk = await start_talk(env, user="ada", tenant="t")
        assert await talk.say("I am Ada, marker-one.", "m1") == "Hello Ada."
        assert await talk.say("Who am I?", "m2", title="A question") == "Ada."
        assert await talk.say("Bye.") == "Bye."
        view = await talk.until_idle(3)
        turns = await talk.turns()
        texts = await talk.texts()
        second = talk.task(f"{talk.id}-m2")
        history, execution = await second.fetch_history(), await second.describe()
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
    assert execution.typed_search_attributes.get(CONVERSATION) == talk.id
    assert (await execution.memo_value("title"), await execution.memo_value("user")) == ("A question", "ada")


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


async def test_messages_that_wait_become_turns_in_their_order_by_update_and_by_signal(env: TaskEnvironment) -> None:
    model = GatedModel(numbered())
    async with env.worker(model):
        talk = await start_talk(env, on_busy="enqueue")
        await talk.send("a")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        second = await talk.send("b", "b")
        await talk.signal("c", "c")
        await talk.signal("refused", on_busy="reject")
        await talk.handle.signal("send_message", {"text": "no message"})
        assert (second.outcome, second.task_id) == ("queued", f"{talk.id}-b")
        assert (await talk.view_when(lambda view: view.queued == 2)).current_task_id
        model.gate.set()
        await talk.until_idle(3)
        assert await talk.texts() == ["a", "1: a", "b", "2: b", "c", "3: c"]


async def test_a_message_that_comes_twice_is_one_and_another_of_the_same_id_is_refused(env: TaskEnvironment) -> None:
    model = GatedModel(numbered())
    async with env.worker(model):
        talk = await start_talk(env, on_busy="enqueue")
        first = await talk.send("a", "a", body_hash="1")
        again = await talk.send("a", "a", body_hash="1")
        await talk.signal("a", "a", body_hash="1")
        both = await asyncio.gather(talk.send("b", "b"), talk.send("b", "b"), talk.signal("b", "b"))
        assert await talk.refusal("other", "a", body_hash="2") == "MessageConflict"
        model.gate.set()
        await talk.until_idle(2)
        late = await talk.send("b", "b")
        assert await talk.texts() == ["a", "1: a", "b", "2: b"]
    assert (first.is_new, again.is_new, late.is_new) == (True, False, False)
    assert {first.task_id, again.task_id} == {f"{talk.id}-a"}
    assert sum(bool(verdict and verdict.is_new) for verdict in both) <= 1
    assert late.outcome == "started"


async def test_a_hundred_messages_can_wait(env: TaskEnvironment) -> None:
    model = GatedModel(numbered())
    async with env.worker(model):
        talk = await start_talk(env, on_busy="enqueue")
        await talk.send("first")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        for number in range(100):
            await talk.signal(f"{number}")
        await talk.view_when(lambda view: view.queued == 100)
        assert await talk.refusal("one too many") == "SteeringInvalid"
        await talk.handle.signal("delete")
        model.gate.set()
        assert (await talk.result()).turns == 1


async def test_agent_and_model_may_change_between_turns(env: TaskEnvironment) -> None:
    model = ScriptedModel(["One.", "Two."])
    async with env.worker(model):
        talk = await start_talk(env)
        await talk.say("1")
        other = env.agent(name="other", models=("scripted:large",), instructions="Be brief.")
        await talk.say("2", agent=other)
        await talk.handle.execute_update("change", {"agent": "other", "title": "Renamed", "on_busy": "enqueue"})
        view = await talk.until_idle(2)
        turns = await talk.turns()
        execution = await talk.handle.describe()
    assert [(turn.agent, turn.model) for turn in turns] == [("a", "scripted:m"), ("other", "scripted:large")]
    assert [request.model for request in model.requests] == ["scripted:m", "scripted:large"]
    assert (view.agent, view.title, view.on_busy) == ("other", "Renamed", "enqueue")
    assert execution.typed_search_attributes.get(AGENT) == "other"
    assert await execution.memo_value("title") == "Renamed"


async def test_lists_show_what_a_conversation_does(env: TaskEnvironment) -> None:
    model = GatedModel(numbered())
    async with env.worker(model):
        talk = await start_talk(env, message=message_of(env, "hello", "m"))
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        running, summary = await listed(talk)
        assert (running, summary.current_task_id, summary.turns) == ("running", f"{talk.id}-m", 1)
        model.gate.set()
        await talk.until_idle(1)
        idle, summary = await listed(talk)
        assert (idle, summary.current_task_id, summary.turns) == ("idle", None, 1)


def message_of(env: TaskEnvironment, text: str, message_id: str) -> ConversationMessage:
    return ConversationMessage(id=message_id, agent=env.agent(), message=user_message(text))


async def listed(talk: Talk) -> tuple[str | None, ConversationSummary]:
    """Return what Temporal knows of a conversation without a worker: its status and summary."""
    execution = await talk.handle.describe()
    summary: ConversationSummary = await execution.memo_value("conversation", type_hint=ConversationSummary)
    return execution.typed_search_attributes.get(STATUS), summary


async def test_an_idle_conversation_expires_and_a_message_before_that_keeps_it(
    time_skipping_server: WorkflowEnvironment, time_skipping_env: TaskEnvironment
) -> None:
    async with time_skipping_env.worker(numbered()):
        talk = await start_talk(time_skipping_env, idle_expiry=3_600)
        await time_skipping_server.sleep(3_000)
        assert await talk.say("still here") == "1: still here"
        view = await talk.until_idle(1)
        assert view.expires_at is not None
        await time_skipping_server.sleep(3_000)
        assert (await talk.view()).status == "idle"
        result = await talk.result()
        execution = await talk.handle.describe()
    assert (result.status, result.turns) == ("expired", 1)
    assert execution.typed_search_attributes.get(STATUS) == "expired"


async def test_a_message_that_comes_while_no_worker_runs_is_answered_though_the_conversation_should_have_expired(
    env: TaskEnvironment,
) -> None:
    async with env.worker(numbered()):
        talk = await start_talk(env, idle_expiry=2)
        await talk.say("a")
        await talk.until_idle(1)
    await talk.signal("b")
    async with asyncio.timeout(TIMEOUT_S):
        while "timerFired" not in (await talk.handle.fetch_history()).to_json():
            pass
    async with env.worker(numbered()):
        result = await talk.result()
        texts = await talk.texts()
    assert (result.status, result.turns, texts) == ("expired", 2, ["a", "1: a", "b", "2: b"])


async def test_a_deleted_conversation_cancels_its_turn_and_takes_no_messages(env: TaskEnvironment) -> None:
    model = GatedModel(numbered())
    async with env.worker(model):
        talk = await start_talk(env, on_busy="enqueue")
        first = await talk.send("a")
        await talk.send("b", "b")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await talk.handle.signal("delete")
        result = await talk.result()
        assert await status_of(talk, first.task_id) == "cancelled"
    assert (result.status, result.turns) == ("deleted", 1)


async def test_a_cancelled_conversation_cancels_its_turn(env: TaskEnvironment) -> None:
    model = GatedModel(numbered())
    async with env.worker(model):
        talk = await start_talk(env)
        first = await talk.send("a")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        await talk.handle.cancel()
        async with asyncio.timeout(TIMEOUT_S):
            while (await talk.handle.describe()).status is not WorkflowExecutionStatus.CANCELED:
                pass
        assert await status_of(talk, first.task_id) == "cancelled"
        assert (await listed(talk))[0] == "deleted"


async def status_of(talk: Talk, task_id: str) -> TaskStatus:
    view = await talk.task(task_id).query("status")
    status: TaskStatus = view["status"]
    return status


async def test_a_conversation_continues_as_new_with_the_messages_that_wait(short_history_env: TaskEnvironment) -> None:
    env = short_history_env
    model = GatedModel(numbered())
    async with env.worker(model):
        talk = await start_talk(env, on_busy="enqueue", title="Long")
        await talk.send("0", "0")
        await asyncio.wait_for(model.asked.wait(), TIMEOUT_S)
        for number in range(1, 20):
            await talk.signal(f"{number}", f"{number}")
        model.gate.set()
        await talk.until_idle(20)
        again = await talk.send("3", "3")
        view, texts, turns = await talk.view(), await talk.texts(), await talk.turns()
        newest = await env.client.get_workflow_handle(talk.id).describe()
    assert newest.run_id != talk.handle.first_execution_run_id
    assert texts == [text for number in range(20) for text in (f"{number}", f"{number + 1}: {number}")]
    assert [turn.number for turn in turns] == list(range(1, 21))
    assert (view.title, view.usage.model_calls, again.is_new) == ("Long", 20, False)


async def test_a_fork_goes_on_from_its_copy_across_runs(short_history_env: TaskEnvironment) -> None:
    env = short_history_env
    messages = [user_message("a"), Message(role="assistant", parts=(TextPart(text="1: a"),))]
    pages = await MessageStorage(env.client).write("conversation-copy", 0, messages)
    copied = CopiedTranscript(pages=tuple(pages), digest=Transcript(messages).digest(2))
    fork = ConversationFork(conversation_id="conversation-that-was-erased", turn=1)
    async with env.worker(numbered()):
        talk = await start_talk(env, fork=fork, copied=copied, on_busy="enqueue")
        for number in range(2, 12):
            await talk.signal("b", f"{number}")
        view, turns = await talk.until_idle(11), await talk.turns()
        texts = await talk.texts()
        newest = await env.client.get_workflow_handle(talk.id).describe()
    assert newest.run_id != talk.handle.first_execution_run_id
    assert texts == ["a", "1: a", *(text for number in range(2, 12) for text in ("b", f"{number}: b"))]
    assert view.forked_from == fork
    assert view.copied is not None
    assert (view.copied.workflow_id, view.copied.end) == (talk.id, 2)
    assert [turn.number for turn in turns] == [*range(2, 12)]
