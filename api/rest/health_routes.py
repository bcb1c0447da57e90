"""Tell whether the front end lives (``/healthz``), and whether tasks would get anywhere (``/readyz``)."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from activities.temporal.client import temporal_address
from api.rest.problems import PROBLEM_RESPONSES, problem_response
from api.state import State, state_of
from api.tasks.errors import FrontEndError
from api.tasks.temporal_calls import asking, workers_poll

__all__ = ["Health", "lacking", "router"]

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """All is well."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"] = "ok"


@router.get("/healthz", operation_id="getHealth")
async def get_health() -> Health:
    """Say that this process answers, whatever Temporal and the workers do."""
    return Health()


@router.get("/readyz", operation_id="getReadiness", response_model=Health, responses=PROBLEM_RESPONSES)
async def get_readiness(request: Request) -> Health | Response:
    """Say whether Temporal answers and a worker polls the task queue. A killed worker may count for another minute."""
    reason = await lacking(state_of(request))
    if reason is None:
        return Health()
    return problem_response(503, reason, kind="not-ready", title="Not ready", headers={"Retry-After": "2"})


async def lacking(state: State) -> str | None:
    """Return why tasks would get nowhere; None when all is there."""
    queue = state.settings.task_queue
    try:
        async with asking(temporal_address(state.settings)):
            polled = await workers_poll(state.client, queue)
    except FrontEndError as error:
        return str(error)
    if not polled:
        return f"No worker polls task queue {queue!r}. Start one: `opspawn dev`, or `python worker.py`."
    return None
