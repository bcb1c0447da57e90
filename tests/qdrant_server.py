"""A server with the part of Qdrant's REST API that long-term memory uses, over real HTTP, for tests.

Requests are checked by the models that are generated of Qdrant's OpenAPI document; qdrant-client's local mode computes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from pydantic import BaseModel, TypeAdapter, ValidationError
from qdrant_client import models
from qdrant_client.local.async_qdrant_local import AsyncQdrantLocal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["QdrantServer", "qdrant_server"]

API_KEY = "the key"


@dataclass(frozen=True)
class QdrantRequest:
    method: str
    path: str
    body: Any


def _engine() -> AsyncQdrantLocal:
    return AsyncQdrantLocal(":memory:", force_disable_check_same_thread=True)


@dataclass
class QdrantServer:
    """Collections in memory, and the requests for them."""

    url: str = ""
    requests: list[QdrantRequest] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)
    """The status of the response to each request whose path ends so."""
    engine: AsyncQdrantLocal = field(default_factory=lambda: _engine())

    async def respond(self, request: Request) -> Response:
        path, content = request.url.path, await request.body()
        body = json.loads(content) if content else None
        self.requests.append(QdrantRequest(request.method, path, body))
        if request.headers.get("api-key") != API_KEY:
            return _error(401, "Must provide an API key or an Authorization bearer token")
        if (status := next((status for end, status in self.failing.items() if path.endswith(end)), None)) is not None:
            return _error(status, "as the test wants it")
        try:
            result = await self._result(request.method, path.strip("/").split("/"), body)
        except ValidationError as error:
            return _error(422, str(error))
        except ValueError as error:
            return _value_error(str(error))
        return JSONResponse({"result": _jsonable(result), "status": "ok", "time": 0.001})

    async def _result(self, method: str, parts: list[str], body: Any) -> Any:
        match method, parts:
            case "GET", ["aliases"]:
                return await self.engine.get_aliases()
            case "POST", ["collections", "aliases"]:
                change = models.ChangeAliasesOperation.model_validate(body)
                return await self.engine.update_collection_aliases(change.actions)
            case "GET", ["collections", name]:
                return await self.engine.get_collection(name)
            case "PUT", ["collections", name]:
                return await self._create(name, models.CreateCollection.model_validate(body))
            case "DELETE", ["collections", name]:
                return await self.engine.delete_collection(name)
            case "PUT", ["collections", name, "index"]:
                self.engine._get_collection(name)
                return _updated(models.CreateFieldIndex.model_validate(body))
            case _, ["collections", name, "points", *rest]:
                self.engine._get_collection(name)
                return await self._points(name, rest, body)
        raise ValueError(f"Not found: {method} {parts}")

    async def _create(self, name: str, collection: models.CreateCollection) -> bool:
        if collection.vectors is None or collection.sparse_vectors is None:
            raise ValueError("no vectors")
        return await self.engine.create_collection(
            name, vectors_config=collection.vectors, sparse_vectors_config=collection.sparse_vectors
        )

    async def _points(self, name: str, rest: list[str], body: Any) -> Any:
        match rest:
            case []:
                return _updated(await self.engine.upsert(name, models.PointsList.model_validate(body).points))
            case ["scroll"]:
                scroll = models.ScrollRequest.model_validate(body)
                records, offset = await self.engine.scroll(
                    name,
                    scroll_filter=scroll.filter,
                    limit=scroll.limit or 10,
                    order_by=scroll.order_by,
                    offset=scroll.offset,
                    with_payload=True,
                )
                return {"points": [_jsonable(record) for record in records], "next_page_offset": offset}
            case ["count"]:
                count = models.CountRequest.model_validate(body)
                return await self.engine.count(name, count_filter=count.filter)
            case ["query"]:
                query: Any = models.QueryRequest.model_validate(body)
                return await self.engine.query_points(
                    name,
                    query=query.query,
                    using=query.using,
                    prefetch=query.prefetch,
                    query_filter=query.filter,
                    limit=query.limit or 10,
                    with_payload=True,
                )
            case ["delete"]:
                selector: Any = TypeAdapter(models.PointsSelector).validate_python(body)
                return _updated(await self.engine.delete(name, selector))
            case ["batch"]:
                operations = models.UpdateOperations.model_validate(body).operations
                for operation in operations:
                    await self._check_points_are_there(name, operation)
                return [_updated(one) for one in await self.engine.batch_update_points(name, operations)]
        raise ValueError(f"Not found: {rest}")

    async def _check_points_are_there(self, name: str, operation: models.UpdateOperation) -> None:
        """Refuse what Qdrant refuses and its local mode doesn't."""
        match operation:
            case models.UpdateVectorsOperation(update_vectors=vectors):
                ids = [point.id for point in vectors.points]
            case models.OverwritePayloadOperation(overwrite_payload=payload):
                ids = list(payload.points or [])
            case _:
                ids = []
        there = {record.id for record in await self.engine.retrieve(name, ids)}
        for identifier in ids:
            if identifier not in there:
                raise ValueError(f"Not found: No point with id {identifier}")


@contextmanager
def qdrant_server() -> Iterator[QdrantServer]:
    """Run a server without collections, which wants the key ``API_KEY``, in a thread."""
    double = QdrantServer()
    methods = ["GET", "POST", "PUT", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", double.respond, methods=methods)])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        double.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield double
        finally:
            server.should_exit = True
            thread.join(20)


def _updated(_: object) -> dict[str, Any]:
    return {"operation_id": 0, "status": "completed"}


def _jsonable(result: Any) -> Any:
    return result.model_dump(mode="json", exclude_none=True) if isinstance(result, BaseModel) else result


def _value_error(message: str) -> Response:
    if message.startswith("Dense vector"):  # the words of the real engine, see qdrant_edge
        return _error(400, "Wrong input: Not existing vector name error: of the request")
    if message.startswith("shapes"):
        return _error(400, "Wrong input: Vector dimension error: expected dim: one, got another")
    if "already exists" in message:
        return _error(409, f"Wrong input: {message}")
    if "not found" in message.lower():
        return _error(404, message)
    return _error(400, f"Wrong input: {message}")


def _error(status: int, message: str) -> Response:
    return JSONResponse({"status": {"error": message}, "time": 0.0}, status)
