from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.interfaces import CompactionRequest
from agentkit.messages import Message, TextPart, ToolCall, ToolResult, user_message
from agentkit.runtime.compaction.compaction_budget import CompactionBudget
from agentkit.runtime.compaction.compaction_plan import CompactionPlan, plan_compaction
from tests.compaction_transcripts import agent, are_paired, called, request, said, talk, task


def plan(messages: list[Message], asked: CompactionRequest | None = None) -> CompactionPlan:
    asked = asked or request()
    return plan_compaction(messages, asked, CompactionBudget.of(messages, asked))


def _texts(messages: tuple[Message, ...]) -> list[str]:
    return [message.text for message in messages]


def test_shorter_results_suffice_where_old_ones_are_long() -> None:
    made = plan(task(steps=8, chars=4_400), request(agent(10_000)))
    assert made.summarized == ()
    assert len(made.kept) == 17
    contents = [part.content for message in made.kept for part in message.parts if isinstance(part, ToolResult)]
    assert contents[-1] == "x" * 4_400
    assert max(map(len, contents[:4])) < 600


def test_a_summary_replaces_what_lies_between_the_first_message_and_the_newest_ones() -> None:
    messages = talk(turns=12)
    made = plan(messages)
    assert made.before == (messages[0],)
    assert made.after == tuple(messages[-len(made.after) :])
    assert len(made.summarized) >= 10
    assert [*made.before, *made.summarized, *made.after] == messages


def test_the_summary_stands_for_whole_results() -> None:
    messages = task(steps=40, chars=900)
    made = plan(messages)
    assert made.summarized
    assert made.summarized == tuple(messages[1 : 1 + len(made.summarized)])


def test_the_newest_request_stays_however_old_it_is() -> None:
    messages = [*talk(turns=3), user_message("Now count."), *task(steps=40)[1:]]
    made = plan(messages)
    assert "Now count." in _texts(made.after)
    assert messages[2] in made.summarized


def test_pinned_messages_stay_with_the_results_of_their_calls() -> None:
    messages = task(steps=40)
    note = Message(role="user", parts=(TextPart(text="Never at night."),), pinned=True)
    messages.insert(3, note)
    messages[6] = messages[6].model_copy(update={"pinned": True})  # a response; its result follows
    made = plan(messages)
    assert made.after[:3] == (note, messages[6], messages[7])
    assert are_paired(made.kept)


def test_the_newest_recalled_memories_stay_and_older_ones_go() -> None:
    old, new = (Message(role="user", parts=(TextPart(text=text),), source="memory") for text in ("old", "new"))
    messages = [*talk(turns=2), old, *talk(turns=2), new, *talk(turns=12)]
    made = plan(messages)
    assert new in made.kept
    assert old in made.summarized


def test_a_call_without_a_result_stays() -> None:
    messages = task(steps=40)
    open_call = Message(role="assistant", parts=(ToolCall(id="open", name="pay"),), model="test:model")
    messages.insert(5, open_call)
    assert open_call in plan(messages).kept


def test_the_newest_plan_stays_where_the_planner_looks_for_it() -> None:
    planned = said('{"plan": ["count", "report"]}')
    messages = [user_message("go"), planned, *task(steps=40)[1:]]
    assert planned in plan(messages, request(agent(planner="plan"))).kept
    assert planned in plan(messages).summarized


def test_results_of_the_newest_step_become_shorter_where_they_alone_are_too_long() -> None:
    messages = [*task(steps=2), *called(9, "y" * 30_000)]
    made = plan(messages, request(reason="too_long"))
    assert are_paired(made.kept)
    assert len(made.kept[-1].parts) == 1
    newest = made.kept[-1].parts[0]
    assert isinstance(newest, ToolResult)
    assert 400 <= len(newest.content) < 2_600


def test_a_long_first_message_leaves_the_others_their_space() -> None:
    messages = [user_message("f" * 1_600), *talk(turns=8)[1:]]
    made = plan(messages)
    assert messages[0] in made.kept
    assert made.summarized
    assert messages[-1] in made.kept


def test_what_is_as_short_as_its_summary_is_not_replaced() -> None:
    messages = [user_message("f" * 3_000), said("short"), user_message("s"), said("newest")]
    made = plan(messages)
    assert made.kept == tuple(messages)
    assert made.summarized == ()


def test_the_second_summary_replaces_the_first() -> None:
    summary = Message(role="user", parts=(TextPart(text="This is a summary"),), source="compaction")
    messages = [user_message("go"), summary, *task(steps=40)[1:]]
    made = plan(messages)
    assert made.summarized[0] == summary


def test_the_same_transcript_always_gives_the_same_plan() -> None:
    assert plan(task(steps=30, chars=500)) == plan(task(steps=30, chars=500))


@pytest.mark.parametrize("planner", ["tools", "react", "plan", "placeholder"])
def test_feedback_and_observations_go_with_their_response(planner: str) -> None:
    messages = [user_message("go")]
    for number in range(40):
        result = ToolResult(call_id=f"call_{number}_0", name="look", content="x" * 50)
        feedback = Message(role="user", parts=(TextPart(text="That is no action."),), source="planner")
        messages += [said("{...}" * 10), feedback if number % 3 == 0 else Message(role="tool", parts=(result,))]
    made = plan(messages, request(agent(planner=planner)))
    assert made.summarized
    assert made.after[0].role == "assistant"


_STEPS = st.lists(
    st.tuples(st.sampled_from(["user", "say", "look", "pay", "two"]), st.integers(0, 3_000), st.booleans()),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(_STEPS, st.sampled_from([1_000, 4_000, None]), st.sampled_from(["share", "too_long"]))
def test_calls_and_results_stay_paired_and_nothing_is_lost(
    steps: list[tuple[str, int, bool]], window: int | None, reason: str
) -> None:
    messages = [user_message("go")]
    for number, (kind, size, pinned) in enumerate(steps):
        if kind in ("look", "pay"):
            added = list(called(number, "x" * size, kind))
        elif kind == "two":
            pairs = [called(number * 100 + part, "x" * size) for part in (1, 2)]
            added = [
                message.model_copy(update={"parts": tuple(part for pair in pairs for part in pair[index].parts)})
                for index, message in enumerate(pairs[0])
            ]
        else:
            added = [user_message("u" * size) if kind == "user" else said("s" * size)]
        added[0] = added[0].model_copy(update={"pinned": pinned})
        messages += added
    asked = request(agent(window), reason=reason)  # type: ignore[arg-type]
    made = plan(messages, asked)
    assert are_paired(made.kept)
    assert are_paired(made.summarized)
    assert len(made.kept) + len(made.summarized) == len(messages)
    assert messages[0] in made.kept
    assert {message.text for message in messages if message.pinned} <= set(_texts(made.kept))
    assert made.kept[-1].role == messages[-1].role
    budget = CompactionBudget.of(messages, asked)
    assert budget.tokens(made.kept) <= budget.tokens(messages)


def test_a_summary_alone_is_not_summarized_again() -> None:
    summary = Message(role="user", parts=(TextPart(text="s" * 2_400),), source="compaction")
    messages = [user_message("go"), summary, *called(1, "x" * 1_200)]
    made = plan(messages, request(reason="too_long"))
    assert made.summarized == ()
    assert summary in made.kept
