"""The API without Temporal: enough for what it decides before it calls Temporal."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from api.app import create_app


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings with a Temporal port that is bound, and refuses connections."""
    (tmp_path / "agents").mkdir()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield Settings(app_dir=tmp_path, data_dir=tmp_path / "data", temporal_port=silent.getsockname()[1])


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """The application."""
    return create_app(settings, load_catalog(settings))


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it."""
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client
