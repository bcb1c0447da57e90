"""A front end in this process, on a task queue and an app directory of the test's own."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
from agentkit.catalog.catalog import Catalog, load_catalog
from agentkit.interfaces import Tool
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
"""Seconds that any one thing may take."""


async def eventually(find: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """Look again and again, until what is found is good."""
    deadline = time.monotonic() + WITHIN
    while True:
        found = await find()
        if good(found):
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.03)


@dataclass(frozen=True)
class Front:
    """The REST API, and the Temporal client behind it."""

    http: httpx2.AsyncClient
    temporal: Client
    settings: Settings
    app: Catalog

    async def seen(self, count: int, **filters: Any) -> dict[str, Any]:
        """Wait until visibility shows so many tasks; it lags behind by a moment."""
        return await eventually(lambda: self.get("/tasks", **filters), lambda page: page["total"] == count)

    def worker(self, model: Sequence[ScriptedResponse] | ModelScript, *tools: Tool) -> Worker:
        """Return the worker that we ship, with a scripted model where agents ask for ``demo``."""
        return build_worker(self.temporal, self.settings, {"demo": ScriptedModel(model)}, ToolRegistry(tools))

    async def post(self, **body: Any) -> httpx2.Response:
        """Ask for a task; ``agent`` and ``input`` need not be given."""
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
        found: dict[str, Any] = response.json()
        return found


def settings_for(directory: Path, temporal_port: int) -> Settings:
    """Return settings of the test's own, with one agent."""
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
    """Return a client that speaks to the application without a socket."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://opspawn.test")


@pytest.fixture
async def front(tmp_path: Path, temporal_port: int) -> AsyncIterator[Front]:
    """A front end with no worker yet."""
    settings = settings_for(tmp_path, temporal_port)
    temporal = await connect(settings)
    catalog = load_catalog(settings)
    app = create_app(settings, catalog, client=temporal)
    async with app.router.lifespan_context(app), client_of(app) as http:
        yield Front(http, temporal, settings, catalog)
