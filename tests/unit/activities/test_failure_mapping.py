from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError

from activities.failure_mapping import MAX_RETRY_AFTER_S, application_error, is_not_served, is_refusal, model_error_from
from agentkit import errors
from agentkit.errors import ModelUnavailable, OpspawnError


def with_subclasses(error: type[OpspawnError]) -> list[type[OpspawnError]]:
    return [error, *(leaf for child in error.__subclasses__() for leaf in with_subclasses(child))]


EVERY_ERROR = [error for error in with_subclasses(OpspawnError) if error.__module__ == errors.__name__]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.__name__)
def test_only_unavailable_models_tools_and_memory_are_retryable(error: type[OpspawnError]) -> None:
    arguments = {"server": "time"} if error is errors.McpServerUnavailable else {}
    failure = application_error(error("The provider's own message.", **arguments))
    assert failure.non_retryable == (
        error.__name__
        not in {"MemoryUnavailable", "ModelTimedOut", "ModelUnavailable", "ToolNotStarted", "ToolUnavailable"}
    )
    assert (failure.type, failure.message) == (error.__name__, "The provider's own message.")
    assert failure.next_retry_delay is None


def test_the_failure_of_an_mcp_server_says_which_and_why() -> None:
    failure = application_error(errors.McpServerUnavailable("It crashed.", server="time", kind="crashed"))
    assert list(failure.details) == [{"server": "time", "kind": "crashed"}]


@pytest.mark.parametrize(
    ("retry_after", "delay"),
    [(0.0, 0.0), (7.5, 7.5), (MAX_RETRY_AFTER_S, MAX_RETRY_AFTER_S), (86_400.0, MAX_RETRY_AFTER_S)],
    ids=["zero", "below the limit", "the limit", "above the limit"],
)
def test_the_next_retry_waits_as_long_as_the_provider_asks_up_to_a_limit(retry_after: float, delay: float) -> None:
    failure = application_error(ModelUnavailable("slow down", status=429, retry_after=retry_after))
    assert failure.next_retry_delay == timedelta(seconds=delay)


def activity_error(error: OpspawnError) -> ActivityError:
    """Return the failure that a workflow gets when its activity raised ``error``."""
    raised = ActivityError(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="worker",
        activity_type="request_model",
        activity_id="1",
        retry_state=None,
    )
    raised.__cause__ = application_error(error)
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
def test_the_error_of_a_model_activity_has_the_same_type_message_and_status_in_the_workflow(
    error: OpspawnError,
) -> None:
    mapped = model_error_from(activity_error(error))
    assert (type(mapped), str(mapped)) == (type(error), str(error))
    assert getattr(mapped, "status", None) == getattr(error, "status", None)


def test_a_model_activity_that_timed_out_counts_as_an_unavailable_model() -> None:
    timed_out = activity_error(errors.ModelUnavailable(""))
    timed_out.__cause__ = TimeoutError("activity Heartbeat timeout", type=None, last_heartbeat_details=[])
    error = model_error_from(timed_out)
    assert isinstance(error, ModelUnavailable)
    assert str(error) == "The model call gave no result: activity Heartbeat timeout"


NOT_REGISTERED = [
    pytest.param(
        "NotFoundError",
        'Activity function tool.send is not registered on this Worker, available activities: ["tool.other"]',
        id="TypeScript",
    ),
    pytest.param(
        "NotFoundError",
        "Activity function tool.send for workflow task-1 is not registered on this worker, available activities: ",
        id="Python",
    ),
    pytest.param(
        "NotFoundError",
        "Activity tool.send is not registered on this worker, available activities: tool.other",
        id=".NET and Ruby",
    ),
    pytest.param(
        "ActivityNotRegisteredError",
        "unable to find activityType=tool.send. Supported types: [tool.other]",
        id="Go",
    ),
    pytest.param(
        "java.lang.IllegalArgumentException",
        'Activity Type "tool.send" is not registered with a worker. Known types are: tool.other',
        id="Java",
    ),
]


@pytest.mark.parametrize(("error_type", "message"), NOT_REGISTERED)
def test_a_worker_of_any_sdk_that_lacks_the_activity_type_has_not_started_the_call(
    error_type: str, message: str
) -> None:
    failure = ApplicationError(message, type=error_type)
    assert is_not_served(failure)
    assert is_refusal(failure)


@pytest.mark.parametrize(
    ("error_type", "message"),
    [
        ("NotFoundError", "The mailbox is not registered on this server."),
        ("Bounced", "Activity function tool.send is not registered on this Worker"),
        ("java.lang.IllegalArgumentException", "to must not be empty"),
    ],
    ids=["of the tool", "of another type", "of Java"],
)
def test_errors_of_a_tool_itself_are_no_refusals(error_type: str, message: str) -> None:
    assert not is_refusal(ApplicationError(message, type=error_type))
