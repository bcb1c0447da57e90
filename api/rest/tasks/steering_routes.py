"""The routes that steer tasks: messages, pause and resume, limits, forks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.rest.access.route_roles import OPERATOR, VIEWER
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.request_bodies import JSONRoute
from api.rest.route_parameters import TaskId, checked_key, key_header
from api.rest.tasks.steering_schemas import ForkTaskRequest, RaiseLimitsRequest, SendMessageRequest
from api.rest.tasks.task_schemas import TaskResponse
from api.services import request_services
from api.tasks.forks.task_fork import TaskForks
from api.tasks.task_steering import TaskSteering

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1/tasks", tags=["tasks"], route_class=JSONRoute, responses=PROBLEM_RESPONSES, dependencies=[VIEWER]
)


async def _steering_service(request: Request) -> TaskSteering:
    # async, though it awaits nothing: FastAPI would run a plain function in a thread
    return request_services(request).steering


async def _fork_service(request: Request) -> TaskForks:
    return request_services(request).forks


_Steering = Annotated[TaskSteering, Depends(_steering_service)]


@router.post("/{task_id}/messages", status_code=202, dependencies=[OPERATOR], operation_id="sendMessage")
async def send_message(
    steering: _Steering,
    task_id: TaskId,
    body: SendMessageRequest,
    idempotency_key: Annotated[str | None, key_header("Messages with the same key are delivered once.")] = None,
) -> TaskResponse:
    """Send a message to a running task. The model reads it with its next request; `interrupt` cuts the current one."""
    return TaskResponse.of(await steering.send_message(task_id, body, key=checked_key(idempotency_key)))


@router.post("/{task_id}/pause", status_code=202, dependencies=[OPERATOR], operation_id="pauseTask")
async def pause_task(steering: _Steering, task_id: TaskId) -> TaskResponse:
    """Let a task finish what is in flight, and then wait until it is resumed."""
    return TaskResponse.of(await steering.pause(task_id))


@router.post("/{task_id}/resume", status_code=202, dependencies=[OPERATOR], operation_id="resumeTask")
async def resume_task(steering: _Steering, task_id: TaskId) -> TaskResponse:
    """Let a paused task go on."""
    return TaskResponse.of(await steering.resume(task_id))


@router.patch(
    "/{task_id}/limits",
    dependencies=[OPERATOR],
    operation_id="raiseLimits",
    responses={202: {"model": TaskResponse, "description": "No worker runs: the limits are kept, and checked later"}},
)
async def raise_limits(
    steering: _Steering, task_id: TaskId, body: RaiseLimitsRequest, response: Response
) -> TaskResponse:
    """Raise limits of a running task; one that waits at a limit goes on. A limit can't be lowered."""
    steered = await steering.raise_limits(task_id, body)
    if not steered.is_decided:
        response.status_code = 202
    return TaskResponse.of(steered.task)


@router.post(
    "/{task_id}/fork",
    status_code=201,
    dependencies=[OPERATOR],
    operation_id="forkTask",
    responses={200: {"model": TaskResponse, "description": "The task of an earlier request with this key"}},
)
async def fork_task(
    forks: Annotated[TaskForks, Depends(_fork_service)],
    task_id: TaskId,
    body: ForkTaskRequest,
    response: Response,
    idempotency_key: Annotated[str | None, key_header("The same key and body give the first fork again (200).")] = None,
) -> TaskResponse:
    """Start a task that goes on from a step of this one, running or ended. It needs a worker."""
    created = await forks.fork(task_id, body, key=checked_key(idempotency_key))
    response.headers["Location"] = created.task.links["self"]
    if not created.is_new:
        response.status_code = 200
    return TaskResponse.of(created.task)
