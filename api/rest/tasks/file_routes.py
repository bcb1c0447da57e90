"""The routes of a task's files: ``/api/v1/tasks/{task_id}/files`` and ``/files/{path}``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, JsonValue
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse

from agentkit.interfaces import FileSnapshot
from api.rest.access.route_roles import VIEWER
from api.rest.problems import PROBLEM_RESPONSES
from api.services import request_services

__all__ = ["TaskFileListResponse", "TaskFileResponse", "router"]

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"], responses=PROBLEM_RESPONSES, dependencies=[VIEWER])

_BYTES: dict[str, Any] = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
_SAFETY_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""A model wrote the file: a browser must not run it as a page of ours."""
_FILE: JsonValue = {
    "path": "data/out.csv",
    "size": 1024,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "modified_at": "2026-11-26T12:00:00Z",
    "executable": False,
}
_TaskId = Annotated[str, Path(description="The task's id, which is its Temporal workflow id.")]


class TaskFileResponse(BaseModel):
    """A file of a task."""

    model_config = ConfigDict(frozen=True, from_attributes=True, json_schema_extra={"example": _FILE})

    path: str
    """Relative; its parts are separated by ``/``."""
    size: int
    """In bytes."""
    sha256: str
    modified_at: datetime
    executable: bool


class TaskFileListResponse(BaseModel):
    """The files of a task, sorted by path."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"example": {"files": [_FILE], "total_bytes": 1024, "version": 3}}
    )

    files: tuple[TaskFileResponse, ...]
    total_bytes: int
    version: int
    """Higher after each change; 0: the task never had a file."""


@router.get("/{task_id}/files", operation_id="listTaskFiles")
async def list_files(request: Request, task_id: _TaskId) -> TaskFileListResponse:
    """List the files that a task's tools wrote; a call that still runs has changed nothing."""
    snapshot = await _snapshot(request, task_id)
    return TaskFileListResponse(
        files=tuple(TaskFileResponse.model_validate(file) for file in snapshot.files),
        total_bytes=sum(file.size for file in snapshot.files),
        version=snapshot.version,
    )


@router.get(
    "/{task_id}/files/{path:path}",
    operation_id="getTaskFile",
    response_class=FileResponse,
    responses={
        200: {"description": "The file's bytes", **_BYTES},
        206: {"description": "A range of them, as the header `Range` asks", **_BYTES},
    },
)
async def get_file(
    request: Request,
    task_id: _TaskId,
    path: Annotated[str, Path(description="The file's path, as the list has it.")],
) -> Response:
    """Read a file of a task; ranges (`Range`) are supported."""
    file = (await _snapshot(request, task_id)).get(path)
    stored = request_services(request).files.stored_path(task_id, file) if file is not None else None
    if file is None or stored is None:
        raise HTTPException(404, f"The task has no file {path[:200]!r}.")
    name = quote(file.path.rpartition("/")[2], safe="")
    headers = {**_SAFETY_HEADERS, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return FileResponse(stored, headers=headers, media_type="application/octet-stream")


async def _snapshot(request: Request, task_id: str) -> FileSnapshot:
    services = request_services(request)
    await services.tasks.describe(task_id)  # it may be no task
    return await services.files.snapshot(task_id)
