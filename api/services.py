"""The parts of a running API, built once by ``create_app`` and shared by REST and gRPC."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import FastAPI, Request
from temporalio.client import Client

from activities.settings import Settings
from activities.storage.task_file_store import TaskFileStore
from agentkit.catalog.catalog import Catalog
from api.access.authentication import Authentication
from api.conversations.conversation_services import ConversationServices
from api.events.event_hub import EventHub
from api.events.recorded_results import RecordedResults
from api.events.status_feed import StatusFeed
from api.memories.worker_memory import WorkerMemory
from api.request_metrics import RequestMetrics
from api.tasks.erasure.task_erasure import TaskErasures
from api.tasks.forks.task_fork import TaskForks
from api.tasks.input_request_service import InputRequestService
from api.tasks.task_service import TaskService
from api.tasks.task_steering import TaskSteering
from api.tasks.tenants.tenant_usage_service import TenantUsageService
from api.tasks.workers.worker_mcp import WorkerMcpServers
from api.tasks.workers.worker_sandbox import WorkerSandbox
from api.tasks.workers.worker_versions import WorkerVersions

__all__ = ["ApiServices", "app_services", "install_services", "request_services"]


@dataclass(frozen=True, slots=True)
class ApiServices:
    """The objects that REST routes and gRPC servicers share."""

    settings: Settings
    catalog: Catalog
    client: Client
    tasks: TaskService
    input_requests: InputRequestService
    steering: TaskSteering
    forks: TaskForks
    erasures: TaskErasures
    conversations: ConversationServices
    hub: EventHub
    results: RecordedResults
    status_feed: StatusFeed
    files: TaskFileStore
    sandbox: WorkerSandbox
    mcp: WorkerMcpServers
    memory: WorkerMemory
    workers: WorkerVersions
    tenants: TenantUsageService
    metrics: RequestMetrics
    authentication: Authentication
    stopping: asyncio.Event
    """Set when the server shuts down, so that waiting requests end."""


def install_services(app: FastAPI, services: ApiServices) -> None:
    """Store the services in ``app``, where its routes find them."""
    app.state.opspawn = services


def request_services(request: Request) -> ApiServices:
    """Return the services of the application that serves this request."""
    return app_services(request.app)


def app_services(app: FastAPI) -> ApiServices:
    """Return the services of an application whose lifespan has started."""
    services = app.state.opspawn
    if not isinstance(services, ApiServices):
        raise TypeError("the application has no services yet: its lifespan hasn't started")
    return services
