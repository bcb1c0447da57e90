"""The routes of tasks: ``/api/v1/tasks``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.async_wait import wait_unless
from api.rest.access.route_roles import OPERATOR, VIEWER
from api.rest.direct_route import DirectRoute
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.request_bodies import JSONRoute
from api.rest.route_parameters import (
    TaskId,
    TranscriptLimit,
    TranscriptStart,
    TranscriptVersion,
    checked_key,
    key_header,
)
from api.rest.tasks.task_schemas import (
    CreateTaskRequest,
    ErasedTaskResponse,
    TaskListParams,
    TaskListResponse,
    TaskResponse,
    ToolCallResponse,
    ToolCallsResponse,
    TranscriptResponse,
)
from api.services import request_services
from api.tasks.requests.task_requests import MAX_WAIT_S
from api.tasks.task_service import TaskService

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1/tasks", tags=["tasks"], route_class=JSONRoute, responses=PROBLEM_RESPONSES, dependencies=[VIEWER]
)


async def _task_service(request: Request) -> TaskService:
    # async, though it awaits nothing: FastAPI would run a plain function in a thread
    return request_services(request).tasks


_Tasks = Annotated[TaskService, Depends(_task_service)]


class _CreationRoute(JSONRoute, DirectRoute):
    """The route that starts tasks."""


async def _create_task(
    request: Request,
    body: CreateTaskRequest,
    idempotency_key: Annotated[str | None, key_header("The same key and body give the first task again (200).")] = None,
) -> Response:
    """Start a task: one input for one agent. It is durable once this call returns."""
    created = await request_services(request).tasks.create(body, key=checked_key(idempotency_key))
    text = TaskResponse.of(created.task).model_dump_json()
    headers = {"Location": created.task.links["self"]}
    return Response(text, 201 if created.is_new else 200, headers, media_type="application/json")


router.add_api_route(
    "",
    _create_task,
    methods=["POST"],
    status_code=201,
    dependencies=[OPERATOR],
    name="create_task",
    operation_id="createTask",
    response_model=TaskResponse,
    responses={200: {"model": TaskResponse, "description": "The task of an earlier request with this key"}},
    route_class_override=_CreationRoute,
)


@router.get("", operation_id="listTasks")
async def list_tasks(tasks: _Tasks, query: Annotated[TaskListParams, Query()]) -> TaskListResponse:
    """List tasks, newest first. Input, output, error and start are left out; a new task may take a moment to show."""
    return TaskListResponse.of(await tasks.list(query))


@router.get("/{task_id}", operation_id="getTask")
async def get_task(
    request: Request,
    tasks: _Tasks,
    task_id: TaskId,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=MAX_WAIT_S,
            description="Seconds to wait for the task's end. The response comes when it ends.",
        ),
    ] = 0,
) -> TaskResponse:
    """Show a task. While no worker responds, status, steps and usage are as last recorded."""
    if wait > 0:
        stopping = request_services(request).stopping
        await wait_unless(tasks.wait(task_id, wait), _disconnected(request), stopping.wait())
    return TaskResponse.of(await tasks.get(task_id))


@router.get("/{task_id}/transcript", operation_id="getTranscript")
async def get_transcript(
    tasks: _Tasks,
    task_id: TaskId,
    start: TranscriptStart = 0,
    limit: TranscriptLimit = 100,
    version: TranscriptVersion = None,
) -> TranscriptResponse:
    """Read a task's messages. A page may end before `limit` when they are large; the next starts at `next_start`."""
    return TranscriptResponse.of(await tasks.transcript(task_id, start=start, limit=limit, version=version))


@router.get("/{task_id}/tool-calls", operation_id="listToolCalls")
async def list_tool_calls(tasks: _Tasks, task_id: TaskId) -> ToolCallsResponse:
    """Show what became of each tool call. Of a very long task, all irreversible calls and the newest of the others."""
    entries = await tasks.tool_calls(task_id)
    return ToolCallsResponse(tool_calls=tuple(ToolCallResponse.of(entry) for entry in entries))


@router.post("/{task_id}/cancel", status_code=202, dependencies=[OPERATOR], operation_id="cancelTask")
async def cancel_task(tasks: _Tasks, task_id: TaskId) -> TaskResponse:
    """Ask a task to stop. What is in flight is cancelled; the task ends soon afterwards as `cancelled`."""
    return TaskResponse.of(await tasks.cancel(task_id))


@router.post("/{task_id}/terminate", status_code=202, dependencies=[OPERATOR], operation_id="terminateTask")
async def terminate_task(tasks: _Tasks, task_id: TaskId) -> TaskResponse:
    """End a task at once, without a chance to clean up; it needs no worker."""
    return TaskResponse.of(await tasks.terminate(task_id))


@router.delete("/{task_id}", status_code=202, dependencies=[OPERATOR], operation_id="deleteTask")
async def delete_task(
    request: Request,
    task_id: TaskId,
    memories: Annotated[bool, Query(description="Whether to erase the memories that it has written, too.")] = False,
) -> ErasedTaskResponse:
    """Erase an ended task: history, payloads, results and files. Only its id is kept, for its idempotency key."""
    erased = await request_services(request).erasures.erase(task_id, memories=memories)
    return ErasedTaskResponse.of(erased)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
