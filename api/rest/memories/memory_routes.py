"""The routes of long-term memory: ``/api/v1/memories``. A worker is asked, for only workers open it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.responses import StreamingResponse

from activities.memory.memory_queries import ExportedMemories, MemoryReference, ScopedMemory
from agentkit.access.api_keys import TenantName
from agentkit.interfaces import MemoryScope, NewMemory
from api.memories.memory_import import import_memories, read_lines
from api.memories.memory_requests import MEMORY_TENANT
from api.memories.worker_memory import WorkerMemory
from api.rest.access.route_roles import ADMIN, OPERATOR, VIEWER
from api.rest.memories.memory_schemas import (
    AddedMemoryResponse,
    AddMemoryRequest,
    ChangeMemoryRequest,
    ErasedMemoriesResponse,
    FoundMemoriesResponse,
    ImportedMemoriesResponse,
    IndexedMemoriesResponse,
    MemoryListParams,
    MemoryListResponse,
    MemoryParams,
    MemoryResponse,
    MemorySearchParams,
    ScopeParams,
)
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.request_bodies import JSONRoute
from api.rest.route_parameters import checked_key, key_header
from api.services import request_services
from api.tasks.errors import CursorInvalid, MemoryRefused

__all__ = ["IMPORT_PATH", "router"]

_PREFIX = "/api/v1/memories"
IMPORT_PATH = f"{_PREFIX}/import"
_NAME_SCOPE = "Name the scope to erase: give one of user, agent and scope"
_JSON_LINES = "application/jsonl"

router = APIRouter(
    prefix=_PREFIX, tags=["memories"], route_class=JSONRoute, responses=PROBLEM_RESPONSES, dependencies=[VIEWER]
)


async def _worker_memory(request: Request) -> WorkerMemory:
    # async, though it awaits nothing: FastAPI would run a plain function in a thread
    return request_services(request).memory


_Memory = Annotated[WorkerMemory, Depends(_worker_memory)]
_Tenant = Annotated[TenantName | None, Query(description=MEMORY_TENANT)]
_MemoryId = Annotated[uuid.UUID, Path(description="The memory's id.")]


@router.post(
    "",
    status_code=201,
    dependencies=[OPERATOR],
    operation_id="addMemory",
    responses={200: {"model": AddedMemoryResponse, "description": "The text, or nearly the same, was there before"}},
)
async def add_memory(
    memory: _Memory,
    body: AddMemoryRequest,
    response: Response,
    tenant: _Tenant = None,
    idempotency_key: Annotated[str | None, key_header("The same key gives the same memory again (200).")] = None,
) -> AddedMemoryResponse:
    """Remember a text. One that the scope has already, or nearly, stores nothing new: see `outcome`."""
    key = checked_key(idempotency_key) or uuid.uuid4().hex
    new = NewMemory(text=body.text, key=_key(key), metadata=body.metadata, expires_at=body.expires_at)
    (remembered,) = await memory.of_tenant(tenant).add([ScopedMemory(scope=body.chosen_scope, memory=new)])
    if remembered.outcome != "new":
        response.status_code = 200
    return AddedMemoryResponse.of_remembered(remembered)


@router.get("", operation_id="listMemories")
async def list_memories(memory: _Memory, query: Annotated[MemoryListParams, Query()]) -> MemoryListResponse:
    """List the memories of a scope, newest first, also those that others have superseded."""
    try:
        page = await memory.of_tenant(query.tenant).list(query.chosen_scope, limit=query.limit, cursor=query.cursor)
    except MemoryRefused as error:
        raise CursorInvalid(str(error)) from error
    return MemoryListResponse.of(page)


@router.get("/search", operation_id="searchMemories")
async def search_memories(memory: _Memory, query: Annotated[MemorySearchParams, Query()]) -> FoundMemoriesResponse:
    """Find memories by meaning and by words, best first, as agents recall them."""
    found = await memory.of_tenant(query.tenant).search(query.chosen_scope, query.q, limit=query.limit)
    return FoundMemoriesResponse.of(found)


@router.get(
    "/export",
    operation_id="exportMemories",
    response_class=StreamingResponse,
    responses={200: {"content": {_JSON_LINES: {"schema": {"type": "string"}}}, "description": "A memory a line"}},
)
async def export_memories(memory: _Memory, query: Annotated[ScopeParams, Query()]) -> StreamingResponse:
    """Export the memories of a scope as JSON lines, oldest first. `POST /memories/import` reads them."""
    memory, scope = memory.of_tenant(query.tenant), query.chosen_scope
    first = await memory.export(scope)  # so that a failure is a problem, and no cut response
    return StreamingResponse(_json_lines(memory, scope, first), media_type=_JSON_LINES)


@router.post(
    "/import",
    dependencies=[OPERATOR],
    operation_id="importMemories",
    openapi_extra={
        "requestBody": {"required": True, "content": {_JSON_LINES: {"schema": {"type": "string"}}}},
    },
)
async def post_memory_lines(
    request: Request, memory: _Memory, query: Annotated[ScopeParams, Query()]
) -> ImportedMemoriesResponse:
    """Import JSON lines such as `{"text": "Ada likes tea."}`, into the scope, or else into that of each line.

    If a line is wrong, nothing is imported. The same lines again change nothing.
    """
    memory = memory.of_tenant(query.tenant)
    counts = await import_memories(memory, read_lines(await request.body()), query.given_scope)
    return ImportedMemoriesResponse(imported=counts["new"], same=counts["same"], updated=counts["updated"])


@router.post("/reindex", dependencies=[ADMIN], operation_id="reindexMemories")
async def reindex_memories(memory: _Memory) -> IndexedMemoriesResponse:
    """Compute the vectors of all memories anew, as another embedding model demands. It may take minutes."""
    return IndexedMemoriesResponse(indexed=await memory.reindex())


@router.delete("", dependencies=[OPERATOR], operation_id="eraseMemories")
async def erase_memories(memory: _Memory, query: Annotated[ScopeParams, Query()]) -> ErasedMemoriesResponse:
    """Erase all memories of a scope, which must be named."""
    if (scope := query.given_scope) is None:
        missing = {"type": "missing", "loc": ("query", "user"), "msg": _NAME_SCOPE}
        raise RequestValidationError([missing])
    return ErasedMemoriesResponse(erased=await memory.of_tenant(query.tenant).erase(scope))


@router.get("/{memory_id:uuid}", operation_id="getMemory")
async def get_memory(memory: _Memory, memory_id: _MemoryId, query: Annotated[MemoryParams, Query()]) -> MemoryResponse:
    """Show a memory."""
    return MemoryResponse.of(await memory.of_tenant(query.tenant).get(_reference(memory_id, query)))


@router.patch("/{memory_id:uuid}", dependencies=[OPERATOR], operation_id="changeMemory")
async def change_memory(
    memory: _Memory, memory_id: _MemoryId, body: ChangeMemoryRequest, query: Annotated[MemoryParams, Query()]
) -> MemoryResponse:
    """Change a memory's text, metadata or expiry."""
    changed = await memory.of_tenant(query.tenant).change(_reference(memory_id, query), body.changes)
    return MemoryResponse.of(changed)


@router.delete("/{memory_id:uuid}", status_code=204, dependencies=[OPERATOR], operation_id="deleteMemory")
async def delete_memory(memory: _Memory, memory_id: _MemoryId, query: Annotated[MemoryParams, Query()]) -> None:
    """Erase a memory."""
    await memory.of_tenant(query.tenant).delete(_reference(memory_id, query))


def _reference(memory_id: uuid.UUID, query: MemoryParams) -> MemoryReference:
    return MemoryReference(memory_id=str(memory_id), scope=query.given_scope)


def _key(key: str) -> str:
    return f"request/{hashlib.sha256(key.encode()).hexdigest()[:32]}"


async def _json_lines(memory: WorkerMemory, scope: MemoryScope, first: ExportedMemories) -> AsyncIterator[str]:
    async for part in memory.export_parts(scope, first):
        lines = (MemoryResponse.of(each).model_dump_json(exclude_none=True) for each in part)
        yield "".join(f"{line}\n" for line in lines)
