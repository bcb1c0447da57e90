from __future__ import annotations

import json
import re

import httpx2
import pytest

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from api.app import create_app

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


async def home(settings: Settings) -> httpx2.Response:
    """Return the page of an API with these settings."""
    app = create_app(settings, load_catalog(settings))
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        return await http.get("/")


async def test_the_page_shows_what_runs_and_where_to_go(settings: Settings) -> None:
    response = await home(settings)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    for text in (str(settings.app_dir), settings.task_queue, f"127.0.0.1:{settings.temporal_port}", "demo:demo"):
        assert text in response.text
    for link in ("docs", "api/v1/events", "http://localhost:8233/namespaces/default/workflows"):
        assert f'href="{link}"' in response.text


async def test_without_temporal_the_page_names_what_to_start(settings: Settings) -> None:
    page = (await home(settings)).text
    assert "Needs attention" in page
    assert f"Temporal doesn&#x27;t respond at 127.0.0.1:{settings.temporal_port}" in page


async def test_the_page_shows_what_is_wrong_in_the_app_directory(settings: Settings) -> None:
    agents = settings.app_dir / "agents"
    (agents / "typo.yaml").write_text("name: typo\nmodle: demo:demo\n")
    (agents / "keyless.yaml").write_text("name: keyless\nmodel: openai:gpt-5-mini\n")
    page = (await home(settings)).text
    assert "typo.yaml:2: modle: unknown key" in page
    assert "Agent keyless: " in page
    assert "OPENAI_API_KEY" in page


async def test_a_chosen_model_that_can_not_be_used_is_shown(settings: Settings) -> None:
    page = (await home(settings.model_copy(update={"default_provider": "openai"}))).text
    assert "Default model: " in page
    assert "demo model" not in page


@pytest.mark.parametrize("field", ["app_name", "task_queue", "temporal_ui_url"])
async def test_every_text_is_escaped(settings: Settings, field: str) -> None:
    (settings.app_dir / "agents" / "hostile.yaml").write_text(f"name: a\n? {json.dumps(HOSTILE)}\n: 1\n")
    page = (await home(settings.model_copy(update={field: HOSTILE, "host": "0.0.0.0"}))).text
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 2
    assert "<img" not in page


async def test_the_page_loads_nothing_and_runs_no_script(settings: Settings) -> None:
    response = await home(settings)
    assert "<script" not in response.text
    assert re.findall(r"<(?:img|iframe|link|object|embed)[^>]*>", response.text) == ['<link rel="icon" href="data:,">']
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


async def test_an_api_for_other_machines_shows_no_paths_of_its_own(settings: Settings) -> None:
    page = (await home(settings.model_copy(update={"host": "0.0.0.0"}))).text
    assert str(settings.app_dir) not in page
