"""A conversation of many turns, whose transcript is shortened again and again, survives kills of its workers."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowHandle

from activities.conversations.conversation_payloads import TAKE_TURN_ACTIVITY
from activities.payload_types import TranscriptPage, TranscriptRange
from activities.storage.message_storage import MessageStorage
from agentkit.messages import Message, user_message
from agentkit.specs import AgentSpec, CompactionSettings
from agentkit.tools import builtin_tools
from tests.acceptance.conftest import Stack, eventually
from tests.reserved_ports import reserve_port
from workflows.conversations.conversation import ConversationWorkflow
from workflows.conversations.conversation_types import (
    ConversationInput,
    ConversationMessage,
    ConversationResult,
    ConversationSummary,
    TurnRange,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

TURNS, KILLS = 40, 4
"""In CI. 200 turns and 20 kills take six minutes on a loaded machine of two cores, and passed."""
TIMEOUT_S = 240
WORKERS = ("worker", "second-worker")
MAX_WAITING = 60
AGENT = AgentSpec(
    name="porter",
    models=("demo:demo",),
    planner="tools",
    tools=tuple(tool.spec for tool in builtin_tools() if tool.spec.name == "calculator"),
    compaction=CompactionSettings(window=1_500),
)

Conversation = WorkflowHandle[ConversationWorkflow, ConversationResult]


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    stack = Stack(tmp_path, reserve_port(), "conversation")
    stack.write_app()
    async with stack.running():
        stack.start_worker(WORKERS[1])
        yield stack


def _message(number: int) -> ConversationMessage:
    call = f'call calculator {{"expression": "{number} + 1"}}\n' if number % 10 == 0 else ""
    text = f"{call}say reply {number} {'and so on ' * 20}end"
    return ConversationMessage(id=f"m{number}", agent=AGENT, message=user_message(text))


async def _summary(conversation: Conversation) -> ConversationSummary:
    """Return what Temporal knows of the conversation without a worker."""
    summary: ConversationSummary = await (await conversation.describe()).memo_value(
        "conversation", ConversationSummary(), type_hint=ConversationSummary
    )
    return summary


async def _until_turns(conversation: Conversation, count: int) -> None:
    """Return when so many turns have started."""

    async def have_started() -> bool:
        return (await _summary(conversation)).turns >= count

    await eventually(have_started, f"{count} turns have started", TIMEOUT_S)


async def _is_idle(conversation: Conversation) -> bool:
    return (await _summary(conversation)).current_task_id is None


async def _send_all(conversation: Conversation) -> None:
    """Keep some messages waiting until all are sent; each fifth is sent twice."""
    for number in range(TURNS):
        await _until_turns(conversation, number - MAX_WAITING)
        for _ in range(2 if number % 5 == 0 else 1):
            await conversation.signal("send_message", _message(number))


async def _is_taking(conversation: Conversation) -> bool:
    pending = (await conversation.describe()).raw_description.pending_activities
    started = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    return any(each.activity_type.name == TAKE_TURN_ACTIVITY and each.state == started for each in pending)


async def _kill_again_and_again(stack: Stack, conversation: Conversation) -> None:
    """Kill one of two workers every few turns, each second time while a turn is taken over; another one starts."""
    for number in range(KILLS):
        await _until_turns(conversation, (number + 1) * (TURNS - 10) // KILLS)
        while number % 2 and not await _is_taking(conversation):
            pass  # each look takes milliseconds; a pause would miss it
        name = WORKERS[number // 2 % 2]
        stack.kill(name)
        stack.start_worker(name)


async def _version(stack: Stack, conversation: Conversation, version: int) -> list[Message]:
    storage, messages = MessageStorage(await stack.temporal()), list[Message]()
    page = await conversation.query("transcript", TranscriptRange(version=version), result_type=TranscriptPage)
    for stored in page.stored:
        messages += await storage.read(stored, stored.start)
    assert len(messages) == page.total
    return messages


async def test_many_turns_survive_kills_of_the_workers(stack: Stack) -> None:
    client = await stack.temporal()
    conversation = await client.start_workflow(
        ConversationWorkflow.run,
        ConversationInput(agent="porter", on_busy="enqueue"),
        id=f"conversation-{uuid.uuid4().hex}",
        task_queue=stack.task_queue,
        task_timeout=timedelta(seconds=2),  # after this a worker that was killed with a workflow task counts as lost
    )
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.gather(_send_all(conversation), _kill_again_and_again(stack, conversation))
        await _until_turns(conversation, TURNS)
        await eventually(lambda: _is_idle(conversation), "the last turn has ended", TIMEOUT_S)
    turns = (await conversation.query(ConversationWorkflow.turns, TurnRange(limit=TURNS))).turns
    view = await conversation.query(ConversationWorkflow.conversation)
    assert [(turn.number, turn.message_id, turn.status) for turn in turns] == [
        (number + 1, f"m{number}", "completed") for number in range(TURNS)
    ]
    assert [(turn.output or "").split(" and", 1)[0] for turn in turns] == [f"reply {number}" for number in range(TURNS)]
    assert view.version >= 2
    newest = await _version(stack, conversation, view.version)
    inputs = [message.text for message in newest if message.role == "user" and message.source is None]
    assert len(inputs) == len(set(inputs))
    assert inputs[0] == _message(0).message.text
    assert inputs[-1] == _message(TURNS - 1).message.text
    for old, new in itertools.pairwise(turns):
        if new.version > old.version:
            earlier = await _version(stack, conversation, old.version)
            assert earlier[-1].text.startswith(f"reply {old.number - 1} ")
