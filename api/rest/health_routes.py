"""Liveness (``/healthz``) and readiness (``/readyz``)."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from api.rest.problems import PROBLEM_RESPONSES, problem_response
from api.services import request_services
from api.tasks.workers.readiness import readiness_problem

__all__ = ["HealthResponse", "ReadinessResponse", "router"]

router = APIRouter(tags=["operation"])


class HealthResponse(BaseModel):
    """All is well."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"] = "ok"


class ReadinessResponse(BaseModel):
    """Tasks can run."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok", "sandbox": "landlock (seccomp, ...)"}})

    status: Literal["ok"] = "ok"
    sandbox: str | None = None
    """How a worker confines the code of ``python`` and ``shell``, or why it can't; left out until a worker has said."""


@router.get("/healthz", operation_id="getHealth")
async def get_health() -> HealthResponse:
    """Show that this process responds, whatever Temporal and the workers do."""
    return HealthResponse()


@router.get(
    "/readyz",
    operation_id="getReadiness",
    response_model=ReadinessResponse,
    response_model_exclude_none=True,
    responses=PROBLEM_RESPONSES,
)
async def get_readiness(request: Request) -> ReadinessResponse | Response:
    """Show whether the disk has space, Temporal responds and a worker polls the task queue.

    A killed worker may count for a minute more.
    """
    services = request_services(request)
    reason = await readiness_problem(services.client, services.settings)
    if reason is None:
        return ReadinessResponse(sandbox=await services.sandbox.description())
    return problem_response(503, reason, kind="not-ready", title="Not ready", headers={"Retry-After": "2"})
