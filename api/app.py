"""Put the front end together: routes, settings, the app directory and a client of Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from temporalio.client import Client

from activities.settings import Settings
from activities.temporal.client import connect
from agentkit.catalog.catalog import Catalog
from api.events.event_hub import Hub
from api.events.status_feed import Board
from api.relay.relay_server import relaying
from api.rest import agent_routes, docs_page, event_routes, health_routes, task_routes
from api.rest.metrics import install_metrics
from api.rest.problems import install_problems, problem_schemas
from api.rest.request_bodies import BodyLimit
from api.state import State, install_state
from api.tasks.task_service import TaskService

__all__ = ["create_app"]

_DESCRIPTION = "Durable AI agents on Temporal. Errors are problems (RFC 9457); times are RFC 3339 UTC."


class _FrontEnd(FastAPI):
    def openapi(self) -> dict[str, Any]:
        description = super().openapi()
        description["components"]["schemas"].update(problem_schemas())
        return description


def create_app(
    settings: Settings,
    catalog: Catalog,
    *,
    client: Client | None = None,
    stopping: asyncio.Event | None = None,
    relay: bool = False,
) -> FastAPI:
    """Return the ASGI application.

    Args:
        settings: where Temporal is, the task queue, and what is checked.
        catalog: the app directory, loaded.
        client: a client to use; None connects one by the settings, when it is first needed.
        stopping: set it when the server shuts down, so that nobody who waits holds it up.
        relay: whether to take from the workers what models say, as they say it; that needs a port of its own.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        temporal = client or await connect(settings, lazy=True)
        service = TaskService(temporal, catalog, settings)
        hub, board = Hub(temporal, service, settings), Board(temporal, settings)
        install_state(app, State(settings, catalog, temporal, service, hub, board, stopping or asyncio.Event()))
        async with relaying(hub, settings) if relay else nullcontext():
            yield
        await asyncio.gather(hub.aclose(), board.aclose())

    app = _FrontEnd(
        title="Opspawn",
        version=_version(),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for module in (task_routes, event_routes, agent_routes, health_routes, docs_page):
        app.include_router(module.router)
    app.add_middleware(BodyLimit, limit=settings.max_input_bytes)
    install_problems(app)
    install_metrics(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location"],
        )
    return app


def _version() -> str:
    try:
        return version("opspawn")
    except PackageNotFoundError:  # a source tree that isn't installed
        return "0"
