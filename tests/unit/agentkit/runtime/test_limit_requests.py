from __future__ import annotations

from typing import Any

import pytest

from agentkit.errors import SteeringInvalid
from agentkit.messages import Usage
from agentkit.runtime.limit_requests import check_limit_changes, reached_limit, stopped_by_person, with_limit_changes
from agentkit.specs import Limits, RaisedLimits


@pytest.mark.parametrize(
    ("limits", "usage", "steps", "reached"),
    [
        ({"max_steps": 3}, {}, 2, None),
        ({"max_steps": 3}, {}, 3, "max_steps is 3, and the task has used 3 steps"),
        ({"max_tokens": 10}, {"input_tokens": 6, "output_tokens": 4}, 0, "max_tokens is 10, and the task has used 10"),
        ({"max_cost_usd": 0.5}, {"cost_usd": 0.5}, 0, "max_cost_usd is 0.5, and the task has cost 0.5 USD"),
        ({"max_cost_usd": 0.5}, {}, 0, None),
    ],
)
def test_a_limit_is_reached_when_it_is_used_up(
    limits: dict[str, Any], usage: dict[str, Any], steps: int, reached: str | None
) -> None:
    text = reached_limit(Limits(**limits), Usage(**usage), steps)
    assert text == reached if reached is None else (text or "").startswith(reached)


@pytest.mark.parametrize(
    ("limits", "changes", "problem"),
    [
        ({"max_steps": 3}, {"max_steps": 4}, None),
        ({"max_steps": 3}, {"max_steps": 3}, "That is not enough: then max_steps is 3"),
        ({"max_steps": 9}, {"max_steps": 4}, "max_steps is 9: a limit can be raised, not lowered to 4."),
        ({"max_steps": 9}, {"max_tokens": 4}, "The task has no max_tokens: a limit can be raised, not added."),
        ({"max_steps": 9, "max_repeats": 5}, {"max_repeats": 0}, None),
        ({"max_steps": 9}, {"max_repeats": 7}, None),
        ({"max_steps": 9, "deadline": 60}, {"deadline": 59}, "deadline is 60"),
    ],
)
def test_limits_are_raised_and_none_may_be_reached_afterwards(
    limits: dict[str, Any], changes: dict[str, Any], problem: str | None
) -> None:
    before, wanted = Limits(**limits), RaisedLimits(**changes)
    if problem is None:
        check_limit_changes(before, wanted, Usage(), 3, must_suffice=True)
        after = with_limit_changes(before, wanted)
        assert {name: getattr(after, name) for name in changes} == changes
        return
    with pytest.raises(SteeringInvalid, match=problem):
        check_limit_changes(before, wanted, Usage(), 3, must_suffice=True)


def test_an_error_says_who_stopped_the_task() -> None:
    assert str(stopped_by_person("max_steps is 3", "ada")) == "max_steps is 3, and ada stopped it there"
    assert str(stopped_by_person("max_steps is 3", None)) == "max_steps is 3, and a person stopped it there"
