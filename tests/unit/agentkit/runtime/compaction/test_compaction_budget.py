from __future__ import annotations

import pytest

from agentkit.messages import user_message
from agentkit.runtime.compaction.compaction_budget import CompactionBudget
from tests.compaction_transcripts import agent, called, request, said

TRANSCRIPT = [user_message("x" * 400), said("x" * 400), *called(1, "x" * 40_000)[1:]]


def test_estimates_are_scaled_by_what_the_provider_counted_up_to_its_response() -> None:
    asked = request(agent(1_000, tools=()), tokens=400)
    budget = CompactionBudget.of(TRANSCRIPT, asked)
    assert budget.scale == 2.0  # 200 estimated; the result behind the response was not counted
    assert budget.tokens([user_message("x" * 400)]) == 200


@pytest.mark.parametrize(("tokens", "scale"), [(1, 0.25), (1_000_000, 8.0)])
def test_a_count_that_is_far_off_is_not_believed(tokens: int, scale: float) -> None:
    assert CompactionBudget.of(TRANSCRIPT, request(agent(1_000), tokens=tokens)).scale == scale


def test_what_was_refused_as_too_long_counts_as_the_window_at_least() -> None:
    budget = CompactionBudget.of(TRANSCRIPT[:2], request(agent(100_000), reason="too_long"))
    assert budget.before == pytest.approx(100_000, abs=500)
    assert budget.limit == 100_000


def test_without_a_window_the_limit_is_what_was_refused() -> None:
    budget = CompactionBudget.of(TRANSCRIPT, request(agent(None), reason="too_long"))
    assert budget.limit == budget.before
    assert not budget.is_window_known


def test_instructions_and_tools_take_their_space_and_are_counted() -> None:
    plain = CompactionBudget.of(TRANSCRIPT, request(agent(100_000)))
    long = CompactionBudget.of(TRANSCRIPT, request(agent(100_000, instructions="x" * 40_000)))
    assert long.before - plain.before == long.fixed - plain.fixed == 10_000
    assert plain.goals(0).enough - long.goals(0).enough == 6_000


def test_the_goals_leave_room_for_the_messages_that_stay_as_they_are() -> None:
    budget = CompactionBudget.of(TRANSCRIPT, request(agent(10_000, tools=())))
    goals = budget.goals(5_000)
    assert (goals.target, goals.enough) == (5_000 + 1_200, 5_000 + 1_800)  # 8,000 at 0.8, less 5,000
    assert goals.summary == 450


def test_goals_never_lie_below_what_stays() -> None:
    goals = CompactionBudget.of(TRANSCRIPT, request(agent(1_000))).goals(5_000)
    assert goals.target == goals.enough == 5_000
