"""The routes of tasks: ``/api/v1/tasks``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from api.async_wait import first_of
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.request_bodies import JSONRoute
from api.rest.request_schemas import CreateTask, ListTasks
from api.rest.response_schemas import Task, TaskList, Transcript
from api.state import state_of
from api.tasks.task_service import TaskService
from api.tasks.task_start import KEY_RULE, is_key

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"], route_class=JSONRoute, responses=PROBLEM_RESPONSES)


async def _tasks(request: Request) -> TaskService:
    # async, though it awaits nothing: FastAPI would send a plain function through a thread
    return state_of(request).tasks


Tasks = Annotated[TaskService, Depends(_tasks)]
TaskId = Annotated[str, Path(description="The task's id, which is its Temporal workflow id.")]


@router.post("", status_code=201, operation_id="createTask", responses={200: {"model": Task, "description": "Again"}})
async def create_task(
    tasks: Tasks,
    body: CreateTask,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="1 to 255 printable ASCII characters. The same key and body give the first task again (200)."
        ),
    ] = None,
) -> Task:
    """Start a task: one input for one agent. It is durable from this answer on."""
    started = await tasks.create(body, key=_checked(idempotency_key))
    response.headers["Location"] = started.task.links["self"]
    if not started.new:
        response.status_code = 200
    return started.task


@router.get("", operation_id="listTasks")
async def list_tasks(tasks: Tasks, query: Annotated[ListTasks, Query()]) -> TaskList:
    """List tasks, newest first. Input, output, error and start are left out; a new task may take a moment to show."""
    return await tasks.list(query.filter(), limit=query.limit, cursor=query.cursor)


@router.get("/{task_id}", operation_id="getTask")
async def get_task(
    request: Request,
    tasks: Tasks,
    task_id: TaskId,
    wait: Annotated[
        float,
        Query(ge=0, le=60, description="Seconds to wait for the task's end; the answer comes as soon as it ends."),
    ] = 0,
) -> Task:
    """Show a task. While no worker answers, status, steps and usage are as last recorded."""
    if wait > 0:
        await first_of(tasks.wait(task_id, wait), _disconnected(request), state_of(request).stopping.wait())
    return await tasks.get(task_id)


@router.get("/{task_id}/transcript", operation_id="getTranscript")
async def get_transcript(
    tasks: Tasks,
    task_id: TaskId,
    start: Annotated[int, Query(ge=0, le=1_000_000, description="Position of the first message, from 0.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Transcript:
    """Read a task's messages. A page may end before `limit` when they are large; go on at `next_start`."""
    return await tasks.transcript(task_id, start=start, limit=limit)


@router.post("/{task_id}/cancel", status_code=202, operation_id="cancelTask")
async def cancel_task(tasks: Tasks, task_id: TaskId) -> Task:
    """Ask a task to stop. What is in flight is cancelled; the task ends soon afterwards as `cancelled`."""
    return await tasks.cancel(task_id)


@router.post("/{task_id}/terminate", status_code=202, operation_id="terminateTask")
async def terminate_task(tasks: Tasks, task_id: TaskId) -> Task:
    """End a task at once, without a chance to clean up; it needs no worker."""
    return await tasks.terminate(task_id)


def _checked(key: str | None) -> str | None:
    if key is None or is_key(key):
        return key
    raise HTTPException(400, f"Idempotency-Key: {KEY_RULE}")


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
