from __future__ import annotations

import pytest
from pydantic import BaseModel

from api.rest.tasks.task_schemas import (
    CreateTaskRequest,
    TaskListParams,
    TaskListResponse,
    TaskResponse,
    TranscriptResponse,
)

CONTRACT_FIELDS = {
    *("id", "agent", "status", "input", "output", "error", "usage", "steps", "input_requests", "conversation_id"),
    *("parent_id", "tags", "metadata", "created_at", "started_at", "completed_at", "links"),
}


@pytest.mark.parametrize("model", [CreateTaskRequest, TaskResponse, TaskListResponse, TranscriptResponse])
def test_examples_are_valid(model: type[BaseModel]) -> None:
    schema = model.model_config["json_schema_extra"]
    assert isinstance(schema, dict)
    model.model_validate(schema["example"])


def test_a_task_has_every_field_of_the_contract() -> None:
    assert set(TaskResponse.model_fields) >= CONTRACT_FIELDS


def test_a_space_in_a_time_is_the_plus_of_its_zone() -> None:
    params = TaskListParams.model_validate({"created_after": "2026-11-21T00:00:00 02:00"})
    assert params.created_after is not None
    assert params.created_after.isoformat() == "2026-11-21T00:00:00+02:00"
