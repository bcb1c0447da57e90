"""The API in this process, with a task queue and an app directory for each test."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from fastapi import FastAPI
from temporalio.client import Client
from temporalio.worker import Worker

from activities.settings import Settings
from activities.temporal.client import connect
from activities.temporal.task_queue_pollers import recent_pollers
from agentkit.catalog.catalog import Catalog, load_catalog
from agentkit.interfaces import Compactor, Tool
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.testing import ModelScript, ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry
from api.app import create_app
from worker import build_worker

ASSISTANT = """
name: assistant
description: Answers questions.
model: demo:demo
instructions: You are a helpful assistant.
tools: [calculator]
limits: {max_steps: 7, max_tokens: 9000}
"""


T = TypeVar("T")
WITHIN = 20.0
"""Seconds that any one step of a test may take."""


async def eventually(read: Callable[[], Awaitable[T]], expected: Callable[[T], bool]) -> T:
    """Read a value every 30 ms until it is as expected; return it."""
    deadline = time.monotonic() + WITHIN
    while True:
        value = await read()
        if expected(value):
            return value
        assert time.monotonic() < deadline, value
        await asyncio.sleep(0.03)


@dataclass(frozen=True)
class ApiHarness:
    """The REST API, and the Temporal client that it uses."""

    http: httpx2.AsyncClient
    temporal: Client
    settings: Settings
    catalog: Catalog

    async def listed(self, count: int, **filters: Any) -> dict[str, Any]:
        """Wait until visibility lists ``count`` tasks, which takes a moment; return the page."""

        def is_complete(page: dict[str, Any]) -> bool:
            # The tasks and their number are of two moments: there is another page where not all are in this one.
            has_more = page["next_cursor"] is not None
            return page["total"] == count and ("cursor" in filters or has_more == (len(page["tasks"]) < count))

        return await eventually(lambda: self.get("/tasks", **filters), is_complete)

    def worker(
        self, model: Sequence[ScriptedResponse] | ModelScript, *tools: Tool, compactor: Compactor | None = None
    ) -> Worker:
        """Return the worker that we ship, with a scripted model as ``demo``."""
        parts = (self.temporal, self.settings, {"demo": ScriptedModel(model)}, ToolRegistry(tools))
        return build_worker(*parts, InlineOutputChecker(), compactor=compactor)

    async def until_worker_polls(self) -> None:
        """Wait until Temporal knows of a worker: before, what only a worker can read is a 503."""
        await eventually(lambda: recent_pollers(self.temporal, self.settings.task_queue), bool)

    async def post(self, **body: Any) -> httpx2.Response:
        """Request a task; ``body`` changes a valid request."""
        return await self.http.post("/api/v1/tasks", json={"agent": "assistant", "input": "Hello", **body})

    async def submit(self, **body: Any) -> str:
        """Start a task; return its id."""
        response = await self.post(**body)
        assert response.status_code == 201, response.text
        task_id: str = response.json()["id"]
        return task_id

    async def task(self, task_id: str, **params: Any) -> dict[str, Any]:
        """Show a task."""
        response = await self.http.get(f"/api/v1/tasks/{task_id}", params=params)
        assert response.status_code == 200, response.text
        task: dict[str, Any] = response.json()
        return task

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Get a path under the prefix."""
        response = await self.http.get(f"/api/v1{path}", params=params)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document


def settings_for(directory: Path, temporal_port: int) -> Settings:
    """Return settings with one agent and a unique task queue."""
    agents = directory / "app" / "agents"
    agents.mkdir(parents=True)
    (agents / "assistant.yaml").write_text(ASSISTANT)
    return Settings(
        app_dir=directory / "app",
        data_dir=directory / "data",
        temporal_port=temporal_port,
        task_queue=f"api-{uuid.uuid4().hex[:12]}",
    )


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    """Return a client that calls the application without a socket."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost")


@pytest.fixture
async def harness(tmp_path: Path, temporal_port: int) -> AsyncIterator[ApiHarness]:
    """The API with no worker yet."""
    async with serve_rest(settings_for(tmp_path, temporal_port)) as harness:
        yield harness


@asynccontextmanager
async def serve_rest(settings: Settings) -> AsyncIterator[ApiHarness]:
    """Run the REST API with these settings."""
    temporal = await connect(settings)
    catalog = load_catalog(settings)
    app = create_app(settings, catalog, client=temporal)
    async with app.router.lifespan_context(app), client_of(app) as http:
        yield ApiHarness(http, temporal, settings, catalog)
