from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.conversations.conversation_payloads import CopiedTranscript, TakenTurn
from activities.payload_types import StoredMessages, TranscriptRange
from agentkit.errors import MessageConflict
from agentkit.interfaces import ContextUse
from agentkit.messages import Usage, user_message
from agentkit.runtime.context_watch import ContextState
from agentkit.specs import AgentSpec
from workflows.conversations.conversation_state import ConversationState
from workflows.conversations.conversation_types import (
    ConversationChanges,
    ConversationInput,
    ConversationMessage,
    TurnRange,
)

AGENT = AgentSpec(name="a", models=("demo:demo",), planner="tools")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DUE = ContextState(due=ContextUse(tokens=90, window=100))


def new_state(**fields: Any) -> ConversationState:
    return ConversationState("conversation-1", ConversationInput(agent="a", **fields), None, NOW)


def message(number: int, agent: AgentSpec = AGENT, **fields: Any) -> ConversationMessage:
    return ConversationMessage(id=f"m{number}", agent=agent, message=user_message(f"text {number}"), **fields)


def page(start: int, end: int) -> StoredMessages:
    return StoredMessages(start=start, end=end, claim={"file": f"{start}-{end}"})


def run_turn(state: ConversationState, number: int, agent: AgentSpec = AGENT, **fields: Any) -> None:
    """Run a turn of two messages; where small pages are to be stored again, they become one."""
    state.enqueue([message(number, agent)])
    state.set_started(state.start_turn(NOW)[0])
    turn = state.turn_to_take()
    start = turn.small_pages[0].start if turn.small_pages else turn.end
    taken = {"status": "completed", "pages": (page(start, turn.end + 2),), "end": turn.end + 2, "digest": f"{number}"}
    state.end_turn(TakenTurn(**{**taken, **fields}), "done", NOW)


def continued(state: ConversationState) -> ConversationState:
    return ConversationState("conversation-1", ConversationInput(agent="a"), state.carried, NOW)


def test_ten_thousand_turns_leave_a_bounded_state_and_the_newest_thousand_in_detail() -> None:
    state = new_state()
    for number in range(10_000):
        run_turn(state, number)
    carried = continued(state).carried
    assert carried == state.carried
    assert (carried.turn_count, len(carried.turns), len(carried.known)) == (10_000, 1_000, 1_000)
    assert len(carried.pages) < 300
    assert [after.start for after in carried.pages[1:]] == [before.end for before in carried.pages[:-1]]
    assert (carried.pages[0].start, carried.pages[-1].end) == (0, 20_000)
    assert len(carried.canonical_json()) < 1_000_000
    assert state.verdict(message(0)) is None
    assert state.verdict(message(9_500)) is not None
    turns = state.turns(TurnRange(after=9_990, limit=3))
    assert ([turn.number for turn in turns.turns], turns.total) == ([9_991, 9_992, 9_993], 10_000)


def test_a_range_of_the_transcript_is_the_pages_that_have_it() -> None:
    state = new_state()
    for number in range(5):
        run_turn(state, number)
    found = state.transcript_page(TranscriptRange(start=3, end=6))
    assert ([(stored.start, stored.end) for stored in found.stored], found.total) == ([(2, 4), (4, 6)], 10)
    assert state.transcript_page(TranscriptRange(start=10)).stored == ()


def test_a_turn_that_shortened_the_transcript_makes_a_new_version_and_the_old_one_can_be_read() -> None:
    state = new_state()
    run_turn(state, 0)
    run_turn(state, 1, is_new_version=True, pages=(page(0, 3),), end=3, digest="short")
    assert state.source is not None
    assert (state.source.version, state.source.end, state.source.digest) == (2, 3, "short")
    old, new = (state.transcript_page(TranscriptRange(version=version)) for version in (1, None))
    assert (old.version, old.total, new.version, new.total, new.versions) == (1, 2, 2, 3, 2)
    [first, second] = state.turns(TurnRange()).turns
    assert (first.version, first.end, second.version, second.end) == (1, 2, 2, 3)
    assert state.transcript_page(TranscriptRange(version=3)).total == 0
    assert continued(state).transcript_page(TranscriptRange(version=1)) == old


def test_the_twenty_newest_of_many_versions_can_be_read() -> None:
    state = new_state()
    for number in range(30):
        run_turn(state, number, is_new_version=True, pages=(page(0, 3),), end=3)
    totals = [state.transcript_page(TranscriptRange(version=version)).total for version in range(1, 32)]
    assert totals == [0] * 10 + [3] * 21


def test_a_message_is_known_by_its_id_and_refused_with_another_hash() -> None:
    state = new_state()
    state.enqueue([message(1, body_hash="x")])
    verdict = state.verdict(message(1, body_hash="x"))
    assert verdict is not None
    assert (verdict.task_id, verdict.outcome, verdict.is_new) == ("conversation-1-m1", "queued", False)
    with pytest.raises(MessageConflict):
        state.verdict(message(1, body_hash="y"))


def test_messages_that_wait_are_known_however_many_turns_come_before_them() -> None:
    state = new_state()
    state.enqueue([message(5_000)])
    for number in range(1_500):
        state.enqueue([message(number)], first=True)
        state.set_started(state.start_turn(NOW)[0])
    verdict = state.verdict(message(5_000))
    assert verdict is not None
    assert verdict.outcome == "queued"


def test_a_conversation_expires_only_while_it_is_idle() -> None:
    idle, running = new_state(idle_expiry=60), new_state(idle_expiry=60)
    running.enqueue([message(1)])
    running.start_turn(NOW)
    times = [state.expires_at for state in (idle, running, new_state())]
    assert times == [NOW + timedelta(minutes=1), None, None]


@pytest.mark.parametrize(("model", "expected"), [("demo:demo", DUE), ("demo:other", None)], ids=["same", "other"])
def test_that_a_transcript_is_too_long_for_a_model_holds_for_the_next_turn_on_it(
    model: str, expected: ContextState | None
) -> None:
    state = new_state()
    run_turn(state, 0, context=DUE)
    state.enqueue([message(1, AGENT.model_copy(update={"models": (model,)}))])
    state.start_turn(NOW)
    assert state.context == expected


def test_facts_stay_until_the_next_turn_has_others_and_usage_adds_up() -> None:
    state = new_state()
    run_turn(state, 0, facts=("paid",), usage=Usage(input_tokens=1))
    run_turn(state, 1, facts=None, is_gone=True, status="terminated", usage=Usage(input_tokens=2))
    assert (continued(state).facts, state.usage.input_tokens) == (("paid",), 3)


def test_a_copy_comes_before_the_first_turn_and_is_not_stored_again() -> None:
    pages = tuple(page(2 * n, 2 * n + 2) for n in range(100))
    state = new_state(copied=CopiedTranscript(pages=pages, digest="copy"))
    state.enqueue([message(0)])
    state.start_turn(NOW)
    assert (state.turn_to_take().small_pages, state.turn_to_take().digest) == ((), "copy")
    state.end_turn(TakenTurn(status="completed", pages=(page(200, 202),), end=202), None, NOW)
    assert state.view.messages == 202


def test_changes_leave_out_what_they_do_not_name_and_an_empty_model_is_the_agents_own() -> None:
    state = new_state(model="demo:large", title="Old")
    state.change(ConversationChanges(title="New"), NOW)
    assert (state.view.title, state.view.model, state.view.agent, state.view.on_busy) == (
        "New",
        "demo:large",
        "a",
        "reject",
    )
    state.change(ConversationChanges(model="", agent="b", on_busy="interrupt"), NOW)
    view = state.view
    assert (view.title, view.model, view.agent, view.on_busy) == ("New", None, "b", "interrupt")


def test_the_first_message_names_a_conversation_without_a_title() -> None:
    named, unnamed = new_state(title="A trip"), new_state()
    for state in (named, unnamed):
        state.enqueue([message(number, title=f"title {number}") for number in range(2)])
        state.start_turn(NOW)
        state.change(ConversationChanges(title=state.title), NOW)
        state.start_turn(NOW)
    assert (named.title, unnamed.title, unnamed.carried.title) == ("A trip", "title 0", "title 0")


def test_a_fork_keeps_where_its_copy_ends() -> None:
    assert new_state().view.copied is None
    state = new_state(copied=CopiedTranscript(pages=(page(0, 4),), digest="copied"))
    run_turn(state, 0, is_new_version=True, pages=(page(0, 3),), end=3, digest="short")
    copied = continued(state).view.copied
    assert copied is not None
    assert (copied.workflow_id, copied.version, copied.end, copied.digest) == ("conversation-1", 1, 4, "copied")
