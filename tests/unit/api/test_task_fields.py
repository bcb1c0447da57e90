"""The places of a task's field: each test names the file that lacks one.

A new field goes into ``api/tasks/task_snapshot.py`` (and ``task_requests.py`` if a request sets it), into
``api/rest/tasks/task_schemas.py``, into the proto with ``api/grpc/*_messages.py``, and, if lists show it, into
``api/tasks/visibility/task_visibility.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, Field, fields, replace
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import ParseDict
from pydantic import BaseModel
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from agentkit.input_requests import DECISIONS, InputAnswer, InputRequest
from agentkit.messages import Usage, user_message
from agentkit.principal import Principal
from agentkit.specs import Limits
from api.current_principal import acting_as
from api.grpc.request_messages import answer_request, new_task, task_list_request
from api.grpc.response_messages import task_message
from api.proto.opspawn.v1 import tasks_pb2
from api.rest.tasks.steering_schemas import InputRequestResponse
from api.rest.tasks.task_schemas import (
    ForkOriginResponse,
    StalledResponse,
    TaskErrorResponse,
    TaskLinksResponse,
    TaskResponse,
    TaskUsageResponse,
)
from api.tasks.listing.task_listing import visibility_query
from api.tasks.requests.steering_requests import AnswerRequest
from api.tasks.requests.task_requests import LimitsChange, NewTask, TaskFilter, TaskListRequest
from api.tasks.stalled_workflow import REPORTED_PROBLEMS
from api.tasks.task_snapshot import (
    FailureReason,
    ForkOrigin,
    StalledReason,
    TaskLinks,
    TaskSnapshot,
    TaskUrls,
    TaskUsage,
)
from api.tasks.visibility.task_visibility import listed_task, new_task_memo, new_task_search_attributes, queued_task
from tests.unit.api.tasks.executions import CREATED_AT, execution
from workflows.search_attributes import CONVERSATION, MEMO_USAGE, PARENT, STEPS

URLS = TaskUrls("/api/v1/tasks/", "http://localhost:8233/namespaces/default/workflows/")

NOT_LISTED = {"input", "output", "error", "doing", "started_at", "input_requests"}
"""What lists leave out: it is in history, or only the workflow has it."""

OF_TASK_QUEUES = {"waiting_for_worker"}
"""What is neither in visibility nor in history: ``TaskService`` adds it."""

FULL = TaskSnapshot(
    id="task-1",
    agent="assistant",
    status="failed",
    title="Hello",
    input="Hello",
    output={"answer": 42},
    error=FailureReason(type="ToolError", message="No.", step=2),
    usage=TaskUsage(
        tokens=30,
        input_tokens=20,
        output_tokens=10,
        reasoning_tokens=4,
        cached_tokens=5,
        cost_usd=0.01,
        unpriced_calls=1,
        model_calls=2,
        tool_calls=1,
    ),
    steps=2,
    doing="step 2",
    waiting_for_worker=True,
    stalled=StalledReason(message="KeyError: 'x'", since=CREATED_AT),
    input_requests=({"id": "r1"},),
    conversation_id="conversation-1",
    parent_id="task-0",
    forked_from=ForkOrigin(task_id="task-2", step=1),
    tags=("a", "b"),
    metadata={"ticket": "4711"},
    user="ada",
    tenant="acme",
    created_at=CREATED_AT,
    started_at=CREATED_AT + timedelta(seconds=1),
    completed_at=CREATED_AT + timedelta(seconds=2),
    links=URLS.links("task-1"),
)
"""A task with a value in each field."""

ANSWER_IDS = {"task_id", "input_request_id", "idempotency_key"}
"""What REST has in the path and in a header."""

SNAPSHOT_FIELDS = {field.name for field in fields(TaskSnapshot)}
NEW_TASK = NewTask.model_validate(
    {"agent": "assistant", "input": "Hello", "tags": ["a", "b", "a"], "metadata": {"ticket": "4711"}, "user": "ada"}
)


def default_of(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def assert_same_fields(names: Iterable[str], expected: Iterable[str], place: str) -> None:
    there, wanted = set(names), set(expected)
    assert there == wanted, f"{place}: lacks {sorted(wanted - there)}; api/tasks lacks {sorted(there - wanted)}"


def test_the_full_snapshot_has_a_value_in_each_field() -> None:
    assert [field.name for field in fields(TaskSnapshot) if getattr(FULL, field.name) == default_of(field)] == []


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        (TaskResponse, SNAPSHOT_FIELDS),
        (TaskUsageResponse, set(TaskUsage.model_fields)),
        (TaskErrorResponse, set(FailureReason.model_fields)),
        (ForkOriginResponse, set(ForkOrigin.model_fields)),
        (StalledResponse, set(StalledReason.model_fields)),
        (TaskLinksResponse, set(TaskLinks.__annotations__)),
    ],
)
def test_each_field_is_in_rests_schema(schema: type[BaseModel], names: set[str]) -> None:
    assert_same_fields(schema.model_fields, names, f"api/rest/tasks/task_schemas.py, {schema.__name__}")


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (tasks_pb2.Task.DESCRIPTOR, SNAPSHOT_FIELDS),
        (tasks_pb2.TaskUsage.DESCRIPTOR, set(TaskUsage.model_fields)),
        (tasks_pb2.TaskError.DESCRIPTOR, set(FailureReason.model_fields)),
        (tasks_pb2.ForkOrigin.DESCRIPTOR, set(ForkOrigin.model_fields)),
        (tasks_pb2.AnswerInputRequest.DESCRIPTOR, {*AnswerRequest.model_fields, *ANSWER_IDS}),
        (tasks_pb2.Stalled.DESCRIPTOR, set(StalledReason.model_fields)),
        (tasks_pb2.TaskLinks.DESCRIPTOR, set(TaskLinks.__annotations__)),
        (tasks_pb2.LimitsChange.DESCRIPTOR, set(Limits.model_fields)),
        (tasks_pb2.CreateTaskRequest.DESCRIPTOR, {*NewTask.model_fields, "idempotency_key"}),
        (tasks_pb2.ListTasksRequest.DESCRIPTOR, set(TaskListRequest.model_fields)),
    ],
    ids=lambda value: value.name if isinstance(value, Descriptor) else "",
)
def test_each_field_is_in_grpcs_message(message: Descriptor, names: set[str]) -> None:
    assert_same_fields(message.fields_by_name, names, f"api/proto/opspawn/v1/tasks.proto, message {message.name}")


def test_a_request_can_set_each_limit() -> None:
    assert_same_fields(LimitsChange.model_fields, Limits.model_fields, "requests/task_requests.py, LimitsChange")


@pytest.mark.parametrize("name", sorted(SNAPSHOT_FIELDS))
def test_each_field_has_its_value_in_rests_json(name: str) -> None:
    value = getattr(TaskResponse.of(FULL), name)
    expected = getattr(FULL, name)
    if isinstance(value, BaseModel):
        value, expected = value.model_dump(), expected if isinstance(expected, dict) else expected.model_dump()
    assert value == expected


def test_each_field_is_set_in_grpcs_message() -> None:
    message = task_message(FULL)
    assert_same_fields(
        {field.name for field, _ in message.ListFields()},
        SNAPSHOT_FIELDS,
        "api/grpc/response_messages.py, task_message",
    )


async def test_each_field_of_a_list_is_read_from_search_attributes_or_memo() -> None:
    with acting_as(Principal(subject="ada", tenant="acme")):
        started = new_task_search_attributes(NEW_TASK, "assistant")
    pairs: list[SearchAttributePair[Any]] = [
        *started,
        SearchAttributePair(STEPS, 2),
        SearchAttributePair(CONVERSATION, "conversation-1"),
        SearchAttributePair(PARENT, "task-0"),
        SearchAttributePair(REPORTED_PROBLEMS, ["cause=WorkflowTaskFailedCauseNonDeterminismError"]),
    ]
    memo = {
        **new_task_memo(NEW_TASK, "Hello", None, ForkOrigin(task_id="task-2", step=1)),
        MEMO_USAGE: Usage(input_tokens=20, model_calls=2).model_dump(),
    }
    listed = await listed_task(
        execution(
            memo, TypedSearchAttributes(pairs), WorkflowExecutionStatus.FAILED, close_time=CREATED_AT + timedelta(1)
        ),
        URLS,
    )
    unset = {field.name for field in fields(TaskSnapshot) if getattr(listed, field.name) == default_of(field)}
    not_read = NOT_LISTED | OF_TASK_QUEUES
    assert unset == not_read, (
        f"api/tasks/visibility/task_visibility.py, listed_task: sets no {sorted(unset - not_read)}"
    )


async def test_a_field_of_the_request_is_in_the_first_response_and_in_lists() -> None:
    queued = queued_task(
        NEW_TASK,
        task_id="task-1",
        agent="assistant",
        title="Hello",
        message=user_message("Hello"),
        created_at=CREATED_AT,
        links=URLS.links("task-1"),
    )
    attributes = new_task_search_attributes(NEW_TASK, "assistant")
    listed = await listed_task(execution(new_task_memo(NEW_TASK, "Hello"), attributes), URLS)
    for name in NewTask.model_fields.keys() & SNAPSHOT_FIELDS - {"conversation_id"}:
        value = NEW_TASK.unique_tags if name == "tags" else getattr(NEW_TASK, name)
        assert getattr(queued, name) == value, f"api/tasks/visibility/task_visibility.py, queued_task: {name}"
        assert name in NOT_LISTED or getattr(listed, name) == value, f"api/tasks/visibility/task_visibility.py: {name}"
    assert replace(listed, input=queued.input) == queued


@pytest.mark.parametrize("name", sorted(NewTask.model_fields.keys() - {"conversation_id"}))
def test_each_field_of_a_new_task_is_read_from_grpcs_request(name: str) -> None:
    values: dict[str, object] = {
        "agent": "assistant",
        "agent_spec": {"name": "guest"},
        "input": {"text": "Hello"},
        "model": "demo:demo",
        "output_schema": {"type": "object"},
        "limits": {"max_steps": 2},
        "tags": ["a"],
        "metadata": {"ticket": "4711"},
        "user": "ada",
        "start_at": "2026-11-21T19:53:11Z",
    }
    chosen = {"input", name, name if name == "agent_spec" else "agent"}
    request = ParseDict({key: values[key] for key in chosen}, tasks_pb2.CreateTaskRequest())
    assert name in new_task(request).model_fields_set, "api/grpc/request_messages.py, new_task"


def test_each_filter_is_read_from_grpcs_request_and_narrows_the_query() -> None:
    values: dict[str, object] = {
        "status": ["TASK_STATUS_FAILED"],
        "agent": "assistant",
        "conversation_id": "c",
        "parent_id": "p",
        "tag": "t",
        "tenant": "acme",
        "created_after": "2026-11-21T19:53:11Z",
        "created_before": "2026-11-21T19:53:11Z",
        "limit": 3,
        "cursor": "x",
    }
    request = task_list_request(ParseDict(values, tasks_pb2.ListTasksRequest()))
    assert_same_fields(request.model_fields_set, TaskListRequest.model_fields, "api/grpc/request_messages.py")
    for name in TaskFilter.model_fields:
        narrowed = visibility_query(TaskFilter.model_construct(**{name: getattr(request, name)}))
        assert narrowed != visibility_query(TaskFilter()), (
            f"api/tasks/listing/task_listing.py, visibility_query: {name}"
        )


@pytest.mark.parametrize("name", sorted(AnswerRequest.model_fields))
def test_each_field_of_an_answer_is_read_from_grpcs_request(name: str) -> None:
    values: dict[str, object] = {
        "decision": "DECISION_APPROVE",
        "arguments": {"amount": 7},
        "answer": ["a", None],
        "result": "done",
        "limits": {"maxSteps": 60},
        "remember": "REMEMBER_TASK_SAME_ARGUMENTS",
        "comment": "Fine.",
        "answered_by": "ada",
        "groups": ["finance"],
        "sha256": "ab",
    }
    request = ParseDict({"decision": "DECISION_APPROVE", name: values[name]}, tasks_pb2.AnswerInputRequest())
    assert name in answer_request(request).model_fields_set, "api/grpc/request_messages.py, answer_request"


def test_grpc_has_every_decision() -> None:
    names = {word for words in DECISIONS.values() for word in words}
    assert {f"DECISION_{name.upper()}" for name in names} == set(tasks_pb2.Decision.keys()) - {"DECISION_UNSPECIFIED"}


def test_rests_input_request_has_each_field_of_the_cores() -> None:
    assert_same_fields(
        InputRequestResponse.model_fields,
        {*InputRequest.model_fields, "task_id", "agent"},
        "api/rest/tasks/steering_schemas.py, InputRequestResponse",
    )


def test_an_answer_request_has_each_field_of_the_workflows_answer() -> None:
    assert_same_fields(
        {*AnswerRequest.model_fields, "input_request_id"}, InputAnswer.model_fields, "requests/steering_requests.py"
    )
