"""The route of a tool call's result: ``/api/v1/tasks/{task_id}/tool-calls/{call_id}/result``."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from api.events.recorded_results import RecordedResult
from api.rest.access.route_roles import VIEWER
from api.rest.problems import PROBLEM_RESPONSES
from api.services import request_services

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"], responses=PROBLEM_RESPONSES, dependencies=[VIEWER])

_MAX_POSITION = 2**53
_RANGE = re.compile(r"bytes=([0-9]{1,15})?-([0-9]{1,15})?")
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_CONTENTS: dict[str, Any] = {"content": {"application/json": {}, "text/plain": {}, "*/*": _BYTES}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "All bytes, with their media type", **_CONTENTS},
    206: {"description": "A range of them; `Content-Range` has its place and the size of all", **_CONTENTS},
}
_SAFETY_HEADERS = {
    "Cache-Control": "private",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""A tool's output is anyone's: a browser must not run it as a page of ours."""


@router.get(
    "/{task_id}/tool-calls/{call_id:path}/result",
    operation_id="getToolCallResult",
    response_class=StreamingResponse,
    responses=_RESPONSES,
)
async def get_result(
    request: Request,
    task_id: Annotated[str, Path(description="The task's id, which is its Temporal workflow id.")],
    call_id: Annotated[str, Path(description="The id of the tool call, as transcript and events have it.")],
    start: Annotated[int | None, Query(ge=0, le=_MAX_POSITION, description="Offset of the first byte.")] = None,
    end: Annotated[int | None, Query(ge=0, le=_MAX_POSITION, description="Offset after the last byte.")] = None,
    file: Annotated[
        int | None, Query(ge=1, le=10_000, description="Number of a file that the tool returned, from 1.")
    ] = None,
    byte_range: Annotated[str, Header(alias="Range", description="The same as `start` and `end`, which win.")] = "",
) -> Response:
    """Read the whole result of a tool call, or a range of its bytes: of any size, as the tool returned it."""
    results = request_services(request).results
    result = await results.find(task_id, call_id, file)
    first, last = _requested_range(result.size, start, end, byte_range)
    headers = {**_SAFETY_HEADERS, "Accept-Ranges": "bytes", "Content-Length": str(last - first)}
    headers["Content-Disposition"] = _disposition(result)
    is_part = last - first < result.size
    if is_part:
        headers["Content-Range"] = f"bytes {first}-{last - 1}/{result.size}"
    blocks = results.blocks(result, first, last)
    block = await anext(blocks, b"")  # before the response starts: it may be unreadable
    return StreamingResponse(_joined(block, blocks), 206 if is_part else 200, headers, media_type=result.media_type)


async def _joined(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for block in others:
        yield block


def _requested_range(size: int, start: int | None, end: int | None, header: str) -> tuple[int, int]:
    """Return the first byte and the one after the last."""
    if start is None and end is None and (match := _RANGE.fullmatch(header)):
        first, last = match[1], match[2]
        if first is not None:
            start, end = int(first), None if last is None else int(last) + 1
        elif last is not None:
            start = max(0, size - int(last)) if int(last) else size
    if start is None and end is None:
        return 0, size
    start, end = start or 0, size if end is None else min(end, size)
    if start >= end and size > 0:
        detail = f"No byte is in this range: the result has {size} bytes."
        raise HTTPException(416, detail, headers={"Content-Range": f"bytes */{size}"})
    return min(start, size), end


def _disposition(result: RecordedResult) -> str:
    return "attachment" if result.name is None else f"attachment; filename*=UTF-8''{quote(result.name, safe='')}"
