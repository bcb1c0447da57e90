"""The routes of input requests: the inbox over all tasks, and the requests of one task."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.rest.access.route_roles import ANSWERER, VIEWER
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.request_bodies import JSONRoute
from api.rest.route_parameters import TaskId, checked_key, key_header
from api.rest.tasks.steering_schemas import (
    AnswerInputRequest,
    InboxParams,
    InputRequestListResponse,
    InputRequestsResponse,
)
from api.rest.tasks.task_schemas import TaskResponse
from api.services import request_services
from api.tasks.input_request_service import InputRequestService

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1", tags=["input requests"], route_class=JSONRoute, responses=PROBLEM_RESPONSES, dependencies=[VIEWER]
)


async def _service(request: Request) -> InputRequestService:
    # async, though it awaits nothing: FastAPI would run a plain function in a thread
    return request_services(request).input_requests


_InputRequests = Annotated[InputRequestService, Depends(_service)]


@router.get("/input-requests", operation_id="listInputRequests", response_model_exclude_unset=True)
async def list_input_requests(
    input_requests: _InputRequests, query: Annotated[InboxParams, Query()]
) -> InputRequestListResponse:
    """List what waits for a person, of all tasks. Long arguments are left out; a new one may take a moment to show."""
    return InputRequestListResponse.of(await input_requests.list(query))


@router.get("/tasks/{task_id}/input-requests", operation_id="listTaskInputRequests", response_model_exclude_unset=True)
async def list_task_input_requests(input_requests: _InputRequests, task_id: TaskId) -> InputRequestsResponse:
    """Show what waits for a person in one task, with all arguments. It needs a worker."""
    return InputRequestsResponse.model_validate({"input_requests": await input_requests.pending(task_id)})


@router.post(
    "/tasks/{task_id}/input-requests/{input_request_id}",
    dependencies=[ANSWERER],
    operation_id="answerInputRequest",
    responses={202: {"model": TaskResponse, "description": "No worker runs: the answer is kept, and checked later"}},
)
async def answer_input_request(
    input_requests: _InputRequests,
    task_id: TaskId,
    input_request_id: Annotated[str, Path(description="Its `id`, such as `input_1`.")],
    body: AnswerInputRequest,
    response: Response,
    idempotency_key: Annotated[str | None, key_header("The same key gives the first verdict again.")] = None,
) -> TaskResponse:
    """Answer what a task asks. An answer that isn't accepted changes nothing, and the problem says why."""
    answered = await input_requests.answer(task_id, input_request_id, body, key=checked_key(idempotency_key))
    if not answered.is_decided:
        response.status_code = 202
    return TaskResponse.of(answered.task)
