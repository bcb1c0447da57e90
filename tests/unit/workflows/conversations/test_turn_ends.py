from __future__ import annotations

from datetime import UTC, datetime

import pytest

from activities.payload_types import ReplacedVersion
from agentkit.messages import Message, TextPart, ToolCall, user_message
from agentkit.planners import get_planner
from agentkit.runtime.calls.effect_ledger import EffectLedger
from agentkit.runtime.calls.security_policy import RulePolicy
from agentkit.runtime.loop import AgentLoop
from agentkit.specs import AgentSpec, ToolSpec
from agentkit.transcript import Transcript
from workflows.conversations.turn_ends import turn_end
from workflows.listing.listed_state import ListedState
from workflows.steering_state import Steering
from workflows.task_types import SentMessage, StepEnds

NOW = datetime(2026, 11, 28, tzinfo=UTC)
PAY = ToolSpec(name="pay", description="Pay.", parameters={}, effect="irreversible")
AGENT = AgentSpec(name="a", models=("demo:demo",), planner="tools", tools=(PAY,))
REPLY = Message(role="assistant", parts=(TextPart(text="Yes."),))


def loop_with(*messages: Message, ends: list[int]) -> AgentLoop:
    transcript = Transcript(messages)
    ledger = EffectLedger("task-1")
    return AgentLoop(AGENT, get_planner("tools"), RulePolicy(), transcript, ledger=ledger, step_ends=ends, steps=2)


def steering_with(*queued: SentMessage) -> Steering:
    ids = [message.id for message in queued if message.id is not None]
    return Steering(lambda _: None, ListedState(), queued=queued, message_ids=["read", *ids])


def test_a_turn_ends_with_its_last_finished_step_and_names_later_calls_and_messages() -> None:
    loop = loop_with(user_message("Go."), REPLY, REPLY, ends=[1, 2])
    for step, call_id in ((1, "early"), (2, "late")):
        loop.ledger.propose(ToolCall(id=call_id, name="pay"), PAY, step, NOW)
        loop.ledger.record(call_id, "done", NOW)
    sent = SentMessage(text="Stop.", id="unread", parts=(TextPart(text="Stop, please."),))
    end = turn_end(loop, steering_with(sent), StepEnds(ends=(1, 2)), "cancelled", None)
    assert (end.end, end.step, end.version) == (2, 1, 1)
    assert (end.later_start, end.later_end) == (2, 3)
    assert [entry.call_id for entry in end.later_calls] == ["late"]
    assert end.received_ids == ("read", "unread")
    assert [(unread.id, unread.message.text) for unread in end.unread] == [("unread", "Stop, please.")]


@pytest.mark.parametrize(
    ("last_step", "version", "later_start"),
    [(0, 2, 3), (1, 1, 2)],
    ids=["shortened before the last finished step", "shortened after it"],
)
def test_positions_are_those_of_the_version_in_which_the_last_step_was_finished(
    last_step: int, version: int, later_start: int
) -> None:
    loop = loop_with(user_message("Go."), REPLY, REPLY, REPLY, ends=[1, 3])
    replaced = ReplacedVersion(pages=(), end=9, digest="", last_step=last_step)
    ends = StepEnds(ends=(1, 3), replaced=(replaced,), written=2)
    end = turn_end(loop, steering_with(), ends, "failed", "No key.")
    assert (end.version, end.newest_version, end.end) == (version, 2, 3)
    assert (end.later_start, end.later_end) == (later_start, 4)
    assert (end.error, end.is_timed_out) == ("No key.", False)
