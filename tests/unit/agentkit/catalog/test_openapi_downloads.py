"""Documents at a URL are downloaded by a worker, and read by the API."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from agentkit.catalog.catalog import Catalog, load_catalog
from agentkit.config.agent_settings import AgentSettings
from agentkit.interfaces import ToolContext
from agentkit.web import PublicHttpClient
from tests.unit.agentkit.web.scripted_site import LOOPBACK, ScriptedSite, page, serve_site

DOCUMENT = """
openapi: 3.1.0
info: {title: A, version: "1"}
servers: [{url: v2}]
paths:
  /a: {get: {operationId: show}}
"""
CONTEXT = ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1)


@pytest.fixture
async def site() -> AsyncIterator[ScriptedSite]:
    async with serve_site() as started:
        yield started


def settings_of(directory: Path, site: ScriptedSite) -> AgentSettings:
    (directory / "opspawn.toml").write_text(f'[openapi.stock]\nurl = "{site.url("/api/openapi.yaml")}"\n')
    return AgentSettings.load(directory)


async def started_worker(settings: AgentSettings, host: Literal["process", "inline"] = "process") -> Catalog:
    client = PublicHttpClient(allow=LOOPBACK)
    catalog = load_catalog(settings.model_copy(update={"tool_host": host}), client=client)
    await catalog.toolset.warm_up()
    return catalog


def has_tool(catalog: Catalog, name: str) -> bool:
    return name in [spec.name for spec in catalog.toolset.specs()]


@pytest.mark.parametrize("host", ["process", "inline"])
async def test_a_worker_downloads_the_document_that_the_api_reads(
    tmp_path: Path, site: ScriptedSite, host: Literal["process", "inline"]
) -> None:
    settings = settings_of(tmp_path, site)
    (problem,) = load_catalog(settings).problems
    assert problem == (
        f"Setting openapi.stock: a worker that starts downloads {site.url('/api/openapi.yaml')}. None has done so yet."
    )
    site.responses["/api/openapi.yaml"] = page(DOCUMENT, "content-type: application/yaml")
    site.responses["/api/v2/a"] = page("hello")
    worker, api = await started_worker(settings, host), load_catalog(settings)
    assert worker.problems == api.problems == []
    assert has_tool(worker, "stock__show")
    assert has_tool(api, "stock__show")
    assert await worker.toolset.get("stock__show").call({}, CONTEXT) == "hello", "the server's URL is relative"
    await worker.aclose()


@pytest.mark.parametrize(
    "response",
    [page("gone", status="404 Not Found"), page("x" * 5_000_001), page(b"\0", "content-type: image/png")],
    ids=["an error", "too large", "no text"],
)
async def test_the_former_document_stays_in_use_when_a_download_fails(
    tmp_path: Path, site: ScriptedSite, response: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(tmp_path, site)
    site.responses["/api/openapi.yaml"] = page(DOCUMENT, "content-type: application/yaml")
    await (await started_worker(settings)).aclose()
    site.responses["/api/openapi.yaml"] = response
    with caplog.at_level(logging.WARNING):
        worker = await started_worker(settings)
    assert has_tool(worker, "stock__show")
    assert "Setting openapi.stock: its document could not be downloaded" in caplog.text
    await worker.aclose()


async def test_a_private_address_is_not_downloaded_from(
    tmp_path: Path, site: ScriptedSite, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = load_catalog(settings_of(tmp_path, site), client=PublicHttpClient())
    await catalog.toolset.warm_up()
    assert "not on the public internet" in caplog.text
    assert site.requests == []
    await catalog.aclose()
