from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from activities.settings import Settings
from activities.temporal.worker_identity import app_id
from agentkit.catalog.catalog import load_catalog
from api.app import create_app
from api.tasks.workers.readiness import start_worker


async def system_of(app: FastAPI) -> dict[str, object]:
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        system: dict[str, object] = (await http.get("/api/v1/system")).json()
        return system


async def test_the_api_shows_its_own_settings_without_temporal(app: FastAPI, settings: Settings) -> None:
    system = await system_of(app)

    assert system == {
        "version": app.version,
        "app": app_id(settings),
        "app_dir": str(settings.app_dir),
        "data_dir": str(settings.data_dir),
        "default_model": {"name": "demo:demo", "unconfigured": True, "problem": None},
        "task_queue": "opspawn",
        "temporal": f"127.0.0.1:{settings.temporal_port}",
        "temporal_namespace": "default",
        "temporal_ui": "http://localhost:8233",
        "worker_command": start_worker(settings),
    }


async def test_paths_are_shown_to_this_machine_only(settings: Settings) -> None:
    settings = settings.model_copy(update={"host": "0.0.0.0"})

    system = await system_of(create_app(settings, load_catalog(settings)))

    assert (system["app_dir"], system["data_dir"], system["worker_command"]) == (None, None, "opspawn worker")


@pytest.mark.parametrize(
    ("provider", "name", "problem"),
    [("anthropic", "anthropic:claude-sonnet-5-5", "ANTHROPIC_API_KEY"), ("opnai", None, "Did you mean 'openai'?")],
    ids=["no key", "unknown"],
)
async def test_what_is_wrong_with_the_default_model_is_shown(
    settings: Settings, provider: str, name: str | None, problem: str
) -> None:
    settings = settings.model_copy(update={"default_provider": provider})

    system = await system_of(create_app(settings, load_catalog(settings)))

    default_model = system["default_model"]
    assert isinstance(default_model, dict)
    assert default_model["name"] == name
    assert problem in default_model["problem"]
