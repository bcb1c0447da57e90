"""The routes that stream events: those of one task, and the status changes of all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic.config import JsonDict

from api.events.sse import EventStream
from api.rest.access.route_roles import VIEWER
from api.rest.problems import PROBLEM_RESPONSES
from api.services import request_services

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["events"], responses=PROBLEM_RESPONSES, dependencies=[VIEWER])

_SENT_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One event of the stream.",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string"},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
_POSITION_PATTERN: JsonDict = {"pattern": r"^([0-9a-f]{12}\.[0-9a-f]{32}\.[1-9][0-9]{0,8}\.(0|[1-9][0-9]{0,3}))?$"}

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `event` is the type, `id` the position, `data` JSON.",
        "content": {"text/event-stream": {"schema": _SENT_EVENT}},
    }
}
_NO_EVENTS: dict[int | str, dict[str, Any]] = {
    204: {"description": "The task has ended, and has no event after this position."}
}


@router.get(
    "/tasks/{task_id}/events",
    status_code=200,
    operation_id="watchTask",
    response_class=EventStream,
    responses={**_STREAM, **_NO_EVENTS},
)
async def watch_task(
    request: Request,
    task_id: Annotated[str, Path(description="The task's id, which is its Temporal workflow id.")],
    last_event_id: Annotated[
        str,
        Header(
            description="The `id` of the last event seen; the stream starts after it. Browsers send it.",
            json_schema_extra=_POSITION_PATTERN,
        ),
    ] = "",
    after: Annotated[
        str,
        Query(
            description="The same, for clients without headers; the header wins.", json_schema_extra=_POSITION_PATTERN
        ),
    ] = "",
) -> Response:
    """Stream a task's events, from its start or after a position, until its last one."""
    services = request_services(request)
    watch = await services.hub.watch(task_id, last_event_id or after or None)
    batches = watch.batches()
    if not watch.ended:
        return EventStream(batches, services.stopping)
    first = await anext(batches, None)
    if first is None:
        await batches.aclose()
        return Response(status_code=204)  # makes a browser stop reconnecting
    return EventStream(batches, services.stopping, first=first)


@router.get("/events", status_code=200, operation_id="watchTasks", response_class=EventStream, responses=_STREAM)
async def watch_tasks(request: Request) -> Response:
    """Stream status changes of all tasks from now on, a second or so late. List the tasks once the stream is open."""
    services = request_services(request)
    return EventStream(await services.status_feed.watch(), services.stopping)
