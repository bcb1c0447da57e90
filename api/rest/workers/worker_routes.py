"""The routes of workers and their versions: ``/api/v1/workers``."""

from __future__ import annotations

from fastapi import APIRouter, Request

from api.rest.access.route_roles import ADMIN, VIEWER
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.request_bodies import JSONRoute
from api.rest.workers.worker_schemas import DrainRequest, DrainResponse, SetCurrentRequest, WorkersResponse
from api.services import request_services

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1/workers",
    tags=["operation"],
    route_class=JSONRoute,
    responses=PROBLEM_RESPONSES,
    dependencies=[VIEWER],
)


@router.get("", operation_id="listWorkers")
async def list_workers(request: Request) -> WorkersResponse:
    """List the workers and their versions, with the open tasks that are pinned to each."""
    return WorkersResponse.of(await request_services(request).workers.view())


@router.post("/set-current", dependencies=[ADMIN], operation_id="setCurrentWorkerVersion")
async def set_current_version(request: Request, body: SetCurrentRequest) -> WorkersResponse:
    """Give new tasks to the workers of a version. Running tasks stay on theirs until they wake or are drained."""
    workers = request_services(request).workers
    return WorkersResponse.of(await workers.set_current(body.build_id, allow_no_workers=body.allow_no_workers))


@router.post("/drain", dependencies=[ADMIN], operation_id="drainWorkerVersion")
async def drain_version(request: Request, body: DrainRequest) -> DrainResponse:
    """Move the open tasks and conversations of a version to the current one; as they are, 1,000 at most."""
    drained = await request_services(request).workers.drain(body.build_id, override=body.override)
    return DrainResponse.model_validate(drained)
