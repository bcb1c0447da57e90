from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from agentkit.interfaces import DEFAULT_TENANT
from api.tasks.requests.task_requests import NewTask
from api.tasks.task_snapshot import TaskUrls, TaskUsage
from api.tasks.visibility.task_visibility import (
    listed_task,
    new_task_memo,
    new_task_search_attributes,
    visible_status,
)
from tests.unit.api.tasks.executions import CREATED_AT, execution
from workflows.search_attributes import AGENT, STATUS, TAGS, TENANT

URLS = TaskUrls("/api/v1/tasks/", "http://ui/workflows/")
RUNNING, FAILED = WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.FAILED


def new_task(**fields: object) -> NewTask:
    return NewTask.model_validate({"agent": "assistant", "input": "Hello", **fields})


def recorded(status: str) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(STATUS, status)])


def test_a_new_task_is_found_by_agent_status_tenant_and_tags() -> None:
    attributes = new_task_search_attributes(new_task(tags=["a", "b", "a"]), "assistant")
    assert (attributes.get(AGENT), attributes.get(STATUS), attributes.get(TENANT)) == (
        "assistant",
        "queued",
        DEFAULT_TENANT,
    )
    assert attributes.get(TAGS) == ["a", "b"]


def test_a_task_without_tags_has_no_attribute_for_them() -> None:
    assert new_task_search_attributes(new_task(), "assistant").get(TAGS) is None


def test_the_memo_holds_only_what_the_request_sets() -> None:
    assert new_task_memo(new_task(), "Hello") == {"title": "Hello"}
    assert new_task_memo(new_task(metadata={"a": "b"}, user="ada"), "Hello", "4f53") == {
        "title": "Hello",
        "metadata": {"a": "b"},
        "user": "ada",
        "body_hash": "4f53",
    }


@pytest.mark.parametrize(
    ("status", "recorded_status", "visible"),
    [
        (RUNNING, "queued", "queued"),
        (RUNNING, "waiting", "waiting"),
        (RUNNING, "completed", "running"),
        (RUNNING, "of a later release", "running"),
        (FAILED, "running", "failed"),
        (FAILED, "timed_out", "timed_out"),
        (WorkflowExecutionStatus.TIMED_OUT, "running", "timed_out"),
        (WorkflowExecutionStatus.TERMINATED, "running", "terminated"),
        (WorkflowExecutionStatus.CANCELED, "running", "cancelled"),
        (WorkflowExecutionStatus.COMPLETED, "running", "completed"),
    ],
)
def test_an_ended_task_has_the_status_of_temporal_and_a_running_one_its_own(
    status: WorkflowExecutionStatus, recorded_status: str, visible: str
) -> None:
    assert visible_status(execution(search_attributes=recorded(recorded_status), status=status)) == visible


async def test_a_workflow_without_our_attributes_is_listed_with_defaults() -> None:
    task = await listed_task(execution(close_time=CREATED_AT + timedelta(1), parent_id="parent"), URLS)
    assert (task.agent, task.status, task.title, task.steps, task.tags) == ("", "running", "", 0, ())
    assert (task.metadata, task.user, task.usage, task.parent_id) == ({}, None, TaskUsage(), "parent")


@pytest.mark.parametrize(
    "memo", [{"metadata": "text", "usage": "text"}, {"metadata": {"a": {}}, "usage": {"tokens": {}}}]
)
async def test_a_memo_of_another_format_is_ignored(memo: dict[str, object]) -> None:
    task = await listed_task(execution(memo), URLS)
    assert (task.metadata, task.usage) == ({}, TaskUsage())
