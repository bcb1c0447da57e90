"""Watch tasks over real sockets: a server in this process, and a parser of server-sent events."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import httpx2
import uvicorn
from fastapi import FastAPI
from google.protobuf.message import Message
from temporalio.client import Client
from temporalio.service import ServiceClient

from api.app import create_app
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually

Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Seen:
    """An event as a client receives it."""

    type: str
    id: str | None
    data: dict[str, Any]


@dataclass
class Stream:
    """A response of server-sent events, parsed as the standard requires."""

    response: httpx2.Response
    comments: list[str] = field(default_factory=list)

    async def __aiter__(self) -> AsyncIterator[Seen]:
        fields: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            name, _, value = line.partition(":")
            if line.startswith(":"):
                self.comments.append(value.strip())
            elif line:
                fields[name] = value.removeprefix(" ")
            elif "data" in fields:
                yield Seen(fields["event"], fields.get("id"), json.loads(fields["data"]))
                fields = {}
            else:
                fields = {}


@dataclass(frozen=True)
class Served:
    """An API on a socket."""

    app: FastAPI
    url: str
    http: httpx2.AsyncClient
    stopping: asyncio.Event

    @asynccontextmanager
    async def stream(
        self, path: str, after: str | None = None, params: Mapping[str, str | None] | None = None
    ) -> AsyncIterator[Stream]:
        """Open a stream."""
        headers = {} if after is None else {"Last-Event-ID": after}
        async with self.http.stream("GET", f"/api/v1{path}", headers=headers, params=params) as response:
            if response.status_code != 200:
                await response.aread()
            assert response.status_code == 200, response.text
            yield Stream(response)

    async def all(self, task_id: str, after: str | None = None) -> list[Seen]:
        """Read a task's events to the end of the stream."""
        async with asyncio.timeout(WITHIN), self.stream(f"/tasks/{task_id}/events", after) as stream:
            return [event async for event in stream]

    async def some(self, task_id: str, count: int, after: str | None = None) -> list[Seen]:
        """Read ``count`` events, fewer where the task ends before, and disconnect."""
        events: list[Seen] = []
        async with asyncio.timeout(WITHIN), self.stream(f"/tasks/{task_id}/events", after) as stream:
            if not count:
                return events
            async for event in stream:
                events.append(event)
                if len(events) >= count:
                    break
        return events


@asynccontextmanager
async def served(harness: ApiHarness, client: Client | None = None, **changed: Any) -> AsyncIterator[Served]:
    """Serve the API on a socket. ``changed`` are settings; with ``relay_port`` the relay is served, too."""
    stopping = asyncio.Event()
    settings = harness.settings.model_copy(update=changed)
    temporal = client or harness.temporal
    app = create_app(settings, harness.catalog, client=temporal, stopping=stopping, relay="relay_port" in changed)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))

    async def started() -> bool:
        return server.started

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(started, bool)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=WITHIN, limits=limits) as http:
            yield Served(app, url, http, stopping)
        stopping.set()
        server.should_exit = True
        await asyncio.wait_for(serving, WITHIN)


class CountingService(ServiceClient):
    """Forwards calls to Temporal, and counts the long polls of histories."""

    def __init__(self, inner: ServiceClient) -> None:
        super().__init__(inner.config)
        self._inner = inner
        self.polls_now = 0
        self.most_polls = 0
        self.calls: dict[str, int] = {}

    @property
    def worker_service_client(self) -> Any:
        return self._inner.worker_service_client

    def update_rpc_metadata(self, metadata: Mapping[str, str | bytes]) -> None:
        self._inner.update_rpc_metadata(metadata)

    def update_api_key(self, api_key: str | None) -> None:
        self._inner.update_api_key(api_key)

    async def _rpc_call(
        self,
        rpc: str,
        req: Message,
        resp_type: type[Response],
        *,
        service: str,
        retry: bool,
        metadata: Mapping[str, str | bytes],
        timeout: timedelta | None,  # noqa: ASYNC109  # the SDK's own signature
    ) -> Response:
        poll = getattr(req, "wait_new_event", False)
        self.calls[rpc] = self.calls.get(rpc, 0) + 1
        self.polls_now += poll
        self.most_polls = max(self.most_polls, self.polls_now)
        try:
            return await self._inner._rpc_call(
                rpc, req, resp_type, service=service, retry=retry, metadata=metadata, timeout=timeout
            )
        finally:
            self.polls_now -= poll
