"""The routes that stream what happens: to one task, and to all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from api.events.sse import EventStream
from api.rest.problems import PROBLEM_RESPONSES
from api.state import state_of

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["events"], responses=PROBLEM_RESPONSES)

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `event` is the type, `id` the position, `data` JSON.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
_NOTHING: dict[int | str, dict[str, Any]] = {204: {"description": "The task has ended, and you have seen all of it."}}


@router.get(
    "/tasks/{task_id}/events",
    status_code=200,
    operation_id="watchTask",
    response_class=EventStream,
    responses={**_STREAM, **_NOTHING},
)
async def watch_task(
    request: Request,
    task_id: Annotated[str, Path(description="The task's id, which is its Temporal workflow id.")],
    last_event_id: Annotated[
        str | None, Header(description="The `id` of the last event seen: go on after it. Browsers send it themselves.")
    ] = None,
    after: Annotated[str | None, Query(description="The same, where a header can't be set; the header wins.")] = None,
) -> Response:
    """Stream a task's events, from its start or after a position, until its last one."""
    state = state_of(request)
    watch = await state.hub.watch(task_id, last_event_id or after or None)
    events = watch.events()
    if not watch.ended:
        return EventStream(events, state.stopping)
    first = await anext(events, None)
    if first is None:
        await events.aclose()
        return Response(status_code=204)  # which tells a browser not to come back
    return EventStream(events, state.stopping, first=[first])


@router.get("/events", status_code=200, operation_id="watchTasks", response_class=EventStream, responses=_STREAM)
async def watch_tasks(request: Request) -> Response:
    """Stream status changes of all tasks from now on, a second or so behind. List the tasks once it has opened."""
    state = state_of(request)
    return EventStream(await state.board.watch(), state.stopping)
