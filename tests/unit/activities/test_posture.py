from __future__ import annotations

from datetime import timedelta

import pytest

from activities.posture import MAX_RETRY_AFTER, to_temporal
from agentkit import errors
from agentkit.errors import ModelUnavailable, OpspawnError


def leaves(error: type[OpspawnError]) -> list[type[OpspawnError]]:
    return [error, *(leaf for child in error.__subclasses__() for leaf in leaves(child))]


EVERY_ERROR = [error for error in leaves(OpspawnError) if error.__module__ == errors.__name__]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.__name__)
def test_only_what_may_pass_by_itself_is_tried_again(error: type[OpspawnError]) -> None:
    posture = to_temporal(error("The provider's own words."))
    assert posture.non_retryable == (error.__name__ not in {"ModelUnavailable", "ToolUnavailable"})
    assert (posture.type, posture.message) == (error.__name__, "The provider's own words.")
    assert posture.next_retry_delay is None


@pytest.mark.parametrize(
    ("asked", "waits"),
    [(0.0, 0.0), (7.5, 7.5), (MAX_RETRY_AFTER, MAX_RETRY_AFTER), (86_400.0, MAX_RETRY_AFTER)],
    ids=["at once", "as asked", "the longest", "no longer than the longest"],
)
def test_a_provider_that_asks_to_wait_is_given_that_time(asked: float, waits: float) -> None:
    posture = to_temporal(ModelUnavailable("slow down", status=429, retry_after=asked))
    assert posture.next_retry_delay == timedelta(seconds=waits)
