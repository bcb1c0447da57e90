from __future__ import annotations

from collections.abc import Mapping

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionTerminatedEventAttributes
from temporalio.exceptions import ApplicationError, TerminatedError

from agentkit.messages import Usage
from api.tasks.task_reading import ClosingFailure, closing_failure, with_view
from api.tasks.task_snapshot import FailureReason, TaskSnapshot, TaskUrls
from tests.unit.api.tasks.executions import CREATED_AT
from workflows.task_types import TaskFailure, TaskStatus, TaskView

DETAILS = TaskFailure(message="No such model.", step=2, usage=Usage(input_tokens=20))
FAILED = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED)
TIMED_OUT = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT)


def terminated(reason: str) -> HistoryEvent:
    return HistoryEvent(
        event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        workflow_execution_terminated_event_attributes=WorkflowExecutionTerminatedEventAttributes(reason=reason),
    )


def failure(*details: object, type: str | None = "ModelRequestRejected") -> ApplicationError:
    return ApplicationError("Failed.", *details, type=type)


@pytest.mark.parametrize(
    ("event", "error", "status", "reason"),
    [
        (FAILED, failure(DETAILS.model_dump()), "failed", ("ModelRequestRejected", "No such model.", 2)),
        (FAILED, failure(), "failed", ("ModelRequestRejected", "Failed.", None)),
        (FAILED, failure({"odd": 1}), "failed", ("ModelRequestRejected", "Failed.", None)),
        (FAILED, failure(type=None), "failed", ("ApplicationError", "Failed.", None)),
        (FAILED, failure(type="DeadlineExceeded"), "timed_out", ("DeadlineExceeded", "Failed.", None)),
        (FAILED, TerminatedError("Lost."), "failed", ("TerminatedError", "Lost.", None)),
        (terminated("By Ada"), None, "terminated", ("Terminated", "By Ada", None)),
        (terminated(""), None, "terminated", ("Terminated", "It was terminated.", None)),
        (TIMED_OUT, None, "timed_out", ("TimedOut", "Temporal's execution timeout ran out.", None)),
    ],
)
def test_a_closing_event_has_status_and_reason(
    event: HistoryEvent, error: BaseException | None, status: TaskStatus, reason: tuple[str, str, int | None]
) -> None:
    ending = closing_failure(event, error)
    assert ending is not None
    kind, message, step = reason
    assert (ending.status, ending.error) == (status, FailureReason(type=kind, message=message, step=step))


def test_the_details_of_a_failure_hold_what_was_spent() -> None:
    ending = closing_failure(FAILED, failure(DETAILS.model_dump()))
    assert isinstance(ending, ClosingFailure)
    assert ending.details == DETAILS


def test_another_event_closes_nothing() -> None:
    assert closing_failure(HistoryEvent(event_type=EventType.EVENT_TYPE_TIMER_FIRED), None) is None


@pytest.mark.parametrize(
    ("status", "changes", "expected"),
    [
        ("queued", {"status": "running"}, "running"),
        ("cancelled", {"status": "running"}, "cancelled"),
        ("running", {"status": "completed"}, "running"),
    ],
    ids=["running", "ended", "about-to-end"],
)
def test_a_workflows_view_has_the_status_while_the_task_runs(
    status: TaskStatus, changes: Mapping[str, object], expected: TaskStatus
) -> None:
    task = TaskSnapshot(
        id="t", agent="a", status=status, created_at=CREATED_AT, links=TaskUrls("/", "http://ui/").links("t")
    )
    view = TaskView.model_validate({"steps": 3, "usage": {"input_tokens": 7}, "doing": "step 3", **changes})
    viewed = with_view(task, view)
    assert (viewed.status, viewed.steps, viewed.usage.tokens, viewed.doing) == (expected, 3, 7, "step 3")
