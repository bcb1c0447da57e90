"""Build the ASGI application: routes, middleware, and the services behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from temporalio.client import Client

from activities.settings import Settings
from activities.storage.task_file_store import TaskFileStore
from activities.temporal.client import connect
from agentkit.catalog.catalog import Catalog
from api.access.authentication import Authentication
from api.access.authentication_settings import authentication_of
from api.conversations.conversation_services import ConversationServices
from api.conversations.pending_turns import PendingTurns
from api.events.event_hub import EventHub
from api.events.recorded_results import RecordedResults
from api.events.status_feed import StatusFeed
from api.memories.memory_import import MAX_IMPORT_BYTES
from api.memories.worker_memory import WorkerMemory
from api.relay.relay_server import relay_server
from api.request_metrics import RequestMetrics
from api.rest import health_routes, system_routes
from api.rest.access.authentication_middleware import AuthenticationMiddleware
from api.rest.access.caller_trace import CallerTraceMiddleware
from api.rest.access.header_limits import HeaderLimitMiddleware
from api.rest.access.route_roles import OPEN_PATHS, describe_security
from api.rest.access.security_headers import SecurityHeadersMiddleware
from api.rest.agents import agent_routes
from api.rest.codec import codec_routes
from api.rest.codec.codec_cors import CODEC_PATH, CodecCorsMiddleware, web_ui_origins
from api.rest.conversations import conversation_routes
from api.rest.cross_site import CrossSiteMiddleware, allowed_hosts
from api.rest.mcp import mcp_routes
from api.rest.memories import memory_routes
from api.rest.metrics import install_metrics
from api.rest.pages import docs_page, home_page
from api.rest.problems import install_problems, problem_schemas
from api.rest.request_bodies import BodyLimitMiddleware
from api.rest.tasks import event_routes, file_routes, input_request_routes, result_routes, steering_routes, task_routes
from api.rest.tenants import tenant_routes
from api.rest.workers import worker_routes
from api.services import ApiServices, install_services
from api.tasks.erasure.task_erasure import TaskErasures
from api.tasks.forks.task_fork import TaskForks
from api.tasks.input_request_service import InputRequestService
from api.tasks.task_service import TaskService
from api.tasks.task_steering import TaskSteering
from api.tasks.tenants.tenant_usage_service import TenantUsageService
from api.tasks.workers.worker_mcp import WorkerMcpServers
from api.tasks.workers.worker_sandbox import WorkerSandbox
from api.tasks.workers.worker_versions import WorkerVersions
from workflows.telemetry.root_span import terminated_task_spans

__all__ = ["create_app"]

_DESCRIPTION = "Durable AI agents on Temporal. Errors are problems (RFC 9457); times are RFC 3339 UTC."


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        description = super().openapi()
        description["components"]["schemas"].update(problem_schemas())
        if self.state.needs_keys:
            describe_security(description)
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
        stopping: set when the server shuts down, so that waiting requests end.
        relay: whether to receive token deltas from the workers; that listens on a port of its own.

    Raises:
        ConfigurationInvalid: the settings of authentication are wrong, or their keys file is.
    """

    metrics, authentication = RequestMetrics(), authentication_of(settings)
    app = _Api(
        title="Opspawn",
        version=_version(),
        description=_DESCRIPTION,
        lifespan=_lifespan(
            settings, catalog, client, metrics, authentication, stopping or asyncio.Event(), relay=relay
        ),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.needs_keys = authentication.is_on
    tasks = (task_routes, input_request_routes, steering_routes, result_routes, file_routes, event_routes)
    for module in (
        *tasks,
        conversation_routes,
        agent_routes,
        mcp_routes,
        memory_routes,
        tenant_routes,
        system_routes,
        worker_routes,
        codec_routes,
        health_routes,
        docs_page,
        home_page,
    ):
        app.include_router(module.router)
    _add_middleware(app, settings, metrics, authentication)
    return app


def _add_middleware(app: FastAPI, settings: Settings, metrics: RequestMetrics, authentication: Authentication) -> None:
    """Add the layers around the routes, from the innermost to the outermost."""
    larger = {memory_routes.IMPORT_PATH: max(MAX_IMPORT_BYTES, settings.max_input_bytes)}
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_input_bytes, larger=larger)
    open_paths = OPEN_PATHS | {"/metrics"} if settings.open_metrics else OPEN_PATHS
    app.add_middleware(AuthenticationMiddleware, authentication=authentication, open_paths=open_paths)
    install_problems(app)
    app.add_middleware(CallerTraceMiddleware)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After", "WWW-Authenticate"],
        )
    app.add_middleware(HeaderLimitMiddleware)
    web_ui = web_ui_origins(settings)
    app.add_middleware(CodecCorsMiddleware, origins=web_ui)
    app.add_middleware(
        CrossSiteMiddleware,
        hosts=allowed_hosts(settings),
        origins=settings.cors_origins,
        origins_of_paths={CODEC_PATH: web_ui},
    )
    install_metrics(app, metrics)
    app.add_middleware(SecurityHeadersMiddleware)


def _lifespan(
    settings: Settings,
    catalog: Catalog,
    client: Client | None,
    metrics: RequestMetrics,
    authentication: Authentication,
    stopping: asyncio.Event,
    *,
    relay: bool,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run_services(app: FastAPI) -> AsyncIterator[None]:
        temporal = client or await connect(settings, lazy=True)
        spans = terminated_task_spans(temporal)
        tasks = TaskService(temporal, catalog, settings, PendingTurns(temporal, settings), spans)
        input_requests, steering = (
            InputRequestService(temporal, tasks, settings),
            TaskSteering(temporal, tasks, settings),
        )
        forks = TaskForks(temporal, tasks, catalog, settings)
        hub, status_feed = EventHub(temporal, tasks, settings), StatusFeed(temporal, settings)
        results = RecordedResults(temporal, tasks, settings)
        files = TaskFileStore(settings.data_dir / "payloads", temporal.namespace)
        sandbox = WorkerSandbox(temporal, settings.task_queue)
        memory = WorkerMemory(temporal, settings)
        services = ApiServices(
            settings,
            catalog,
            temporal,
            tasks,
            input_requests,
            steering,
            forks,
            TaskErasures(temporal, tasks, memory, settings),
            ConversationServices.of(temporal, tasks, memory, catalog, settings),
            hub,
            results,
            status_feed,
            files,
            sandbox,
            WorkerMcpServers(temporal, settings),
            memory,
            WorkerVersions(temporal, settings),
            TenantUsageService(temporal, settings),
            metrics,
            authentication,
            stopping,
        )
        install_services(app, services)
        async with relay_server(hub, settings) if relay else nullcontext():
            yield
        await asyncio.gather(hub.aclose(), status_feed.aclose(), sandbox.aclose())
        if spans is not None:
            await spans.aclose()

    return run_services


def _version() -> str:
    try:
        return version("opspawn")
    except PackageNotFoundError:  # a source tree that isn't installed
        return "0"
