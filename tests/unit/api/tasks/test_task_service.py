"""What the service refuses without a call to Temporal, which isn't there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
from fastapi import FastAPI

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from api.app import create_app
from api.services import app_services
from api.tasks.errors import CursorInvalid, TaskNotFound, TaskRefused, TemporalUnreachable
from api.tasks.requests.task_requests import NewTask, TaskListRequest
from api.tasks.task_service import TaskService


@pytest.fixture
async def tasks(app: FastAPI) -> AsyncIterator[TaskService]:
    async with app.router.lifespan_context(app):
        yield app_services(app).tasks


def new_task(**fields: object) -> NewTask:
    return NewTask.model_validate({"agent": "assistant", "input": "Hello", **fields})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"agent": "asistant"}, "agent"),
        ({"model": "opanai:gpt"}, "model"),
        ({"model": "openai:gpt-5-mini"}, "model"),
        ({"output_schema": {"type": "thing"}}, "output_schema"),
        ({"agent": None, "agent_spec": {"name": "a", "tools": ["calculater"]}}, "agent_spec.tools.0"),
        ({"start_at": "2999-01-01T00:00:00Z"}, "start_at"),
    ],
)
async def test_a_task_that_can_not_run_is_refused_at_its_field(
    tasks: TaskService, fields: Mapping[str, object], field: str
) -> None:
    with pytest.raises(TaskRefused) as raised:
        await tasks.create(new_task(**fields))
    assert [".".join(map(str, issue.path)) for issue in raised.value.issues] == [field]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"limits": {"max_cost_usd": 1}}, ("limits", "max_cost_usd")),
        ({"agent": None, "agent_spec": {"name": "a", "limits": {"max_cost_usd": 1}}}, ("agent_spec",)),
    ],
    ids=["limit of the request", "limit of the agent"],
)
async def test_a_cost_limit_on_a_model_without_a_price_is_refused_with_the_cure(
    settings: Settings, fields: Mapping[str, object], path: tuple[str, ...]
) -> None:
    app = create_app(settings.model_copy(update={"check_keys": False}), load_catalog(settings))
    async with app.router.lifespan_context(app):
        with pytest.raises(TaskRefused, match=r'\[prices\] "openai-compatible:llama3" =') as raised:
            await app_services(app).tasks.create(new_task(model="openai-compatible:llama3", **fields))
    assert [issue.path for issue in raised.value.issues] == [path]


async def test_a_valid_task_fails_only_for_want_of_temporal(tasks: TaskService) -> None:
    with pytest.raises(TemporalUnreachable):
        await tasks.create(new_task())


@pytest.mark.parametrize("task_id", ["", "x" * 256, "é" * 128, "a\0b"], ids=["empty", "long", "long-utf8", "nul"])
async def test_an_id_that_no_task_can_have_is_not_found(tasks: TaskService, task_id: str) -> None:
    for call in (tasks.get, tasks.cancel, tasks.terminate, tasks.describe):
        with pytest.raises(TaskNotFound):
            await call(task_id)


async def test_a_cursor_of_another_list_is_refused(tasks: TaskService) -> None:
    with pytest.raises(CursorInvalid):
        await tasks.list(TaskListRequest(cursor="x"))
