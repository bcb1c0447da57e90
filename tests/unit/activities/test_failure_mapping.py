from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.exceptions import ActivityError, TimeoutError

from activities.failure_mapping import MAX_RETRY_AFTER, from_temporal, to_temporal
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


def through_temporal(error: OpspawnError) -> ActivityError:
    """Wrap an error as a workflow gets it."""
    raised = ActivityError(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="worker",
        activity_type="ask_model",
        activity_id="1",
        retry_state=None,
    )
    raised.__cause__ = to_temporal(error)
    return raised


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(errors.ModelNotAuthorized("bad key", status=401), id="key"),
        pytest.param(errors.ContextTooLong("too long", status=400), id="length"),
        pytest.param(errors.ModelUnavailable("cut off"), id="no status"),
        pytest.param(errors.TranscriptMismatch("another transcript"), id="transcript"),
    ],
)
def test_an_error_of_a_model_call_is_the_same_in_the_workflow(error: OpspawnError) -> None:
    again = from_temporal(through_temporal(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert getattr(again, "status", None) == getattr(error, "status", None)


def test_a_model_call_that_never_came_back_counts_as_unavailable() -> None:
    lost = through_temporal(errors.ModelUnavailable(""))
    lost.__cause__ = TimeoutError("activity Heartbeat timeout", type=None, last_heartbeat_details=[])
    assert str(from_temporal(lost)) == "The model call didn't come back: activity Heartbeat timeout"
