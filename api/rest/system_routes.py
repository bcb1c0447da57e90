"""What this API serves (``/api/v1/system``): its app directory, default model, task queue and Temporal."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, JsonValue

from activities.settings import Settings
from activities.temporal.client import temporal_address
from activities.temporal.worker_identity import app_id
from agentkit.config.providers import default_model, is_unconfigured, missing_configuration
from agentkit.errors import ConfigurationInvalid
from api.rest.access.route_roles import VIEWER
from api.rest.problems import PROBLEM_RESPONSES
from api.services import request_services
from api.tasks.workers.readiness import is_local, start_worker

__all__ = ["DefaultModelResponse", "SystemResponse", "router"]

router = APIRouter(prefix="/api/v1", tags=["operation"], responses=PROBLEM_RESPONSES, dependencies=[VIEWER])

_SYSTEM: JsonValue = {
    "version": "0.1.0",
    "app": "my-app-1f0c2d3e",
    "app_dir": "/srv/my-app",
    "data_dir": "/srv/my-app/.opspawn",
    "default_model": {"name": "demo:demo", "unconfigured": True, "problem": None},
    "task_queue": "opspawn",
    "temporal": "127.0.0.1:7233",
    "temporal_namespace": "default",
    "temporal_ui": "http://localhost:8233",
    "worker_command": "/srv/venv/bin/opspawn worker --app-dir /srv/my-app --data-dir /srv/my-app/.opspawn",
}


class DefaultModelResponse(BaseModel):
    """The model of agents that name none."""

    model_config = ConfigDict(frozen=True)

    name: str | None
    """``provider:name``; null when the settings name none that exists."""
    unconfigured: bool = False
    """No key and no model is set, so the demo model is used."""
    problem: str | None = None
    """What is missing or wrong in the settings; null when nothing is."""


class SystemResponse(BaseModel):
    """What this API serves, as its own settings have it."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _SYSTEM})

    version: str
    app: str
    """The app's name, which the identities of its workers have, too."""
    app_dir: str | None
    """An absolute path on the API's machine, as ``data_dir`` is; null when other machines can reach the API."""
    data_dir: str | None
    default_model: DefaultModelResponse
    task_queue: str
    temporal: str
    """Address of the Temporal server, ``host:port``."""
    temporal_namespace: str
    temporal_ui: str
    """Base URL of the Temporal Web UI."""
    worker_command: str
    """Starts a worker of this app, on the API's machine."""


@router.get("/system", operation_id="getSystem")
async def get_system(request: Request) -> SystemResponse:
    """Show which app this API serves, with which default model, task queue and Temporal."""
    services = request_services(request)
    settings = services.settings
    return SystemResponse(
        version=request.app.version,
        app=app_id(settings),
        app_dir=str(settings.app_dir.absolute()) if is_local(settings) else None,
        data_dir=settings.payload_place if is_local(settings) else None,
        default_model=_default_model(settings),
        task_queue=settings.task_queue,
        temporal=temporal_address(settings),
        temporal_namespace=services.client.namespace,
        temporal_ui=settings.temporal_ui_url,
        worker_command=start_worker(settings),
    )


def _default_model(settings: Settings) -> DefaultModelResponse:
    try:
        name = default_model(settings)
        problem = missing_configuration(name, settings)
        return DefaultModelResponse(name=name, unconfigured=is_unconfigured(settings), problem=problem)
    except ConfigurationInvalid as error:
        return DefaultModelResponse(name=None, problem=str(error))
