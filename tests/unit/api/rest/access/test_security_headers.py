from __future__ import annotations

import httpx2
import pytest

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from api.app import create_app


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/healthz", {}),
        ("GET", "/nothing", {}),
        ("POST", "/api/v1/tasks", {"Origin": "https://evil.example"}),
        ("GET", "/docs", {"Host": "evil.example"}),
    ],
)
async def test_every_response_has_security_headers(
    tmp_path_factory: pytest.TempPathFactory, method: str, path: str, headers: dict[str, str]
) -> None:
    settings = Settings(app_dir=tmp_path_factory.mktemp("app"))
    app = create_app(settings, load_catalog(settings))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
        response = await http.request(method, path, headers=headers)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


async def test_headers_of_a_route_are_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = Settings(app_dir=tmp_path_factory.mktemp("app"))
    app = create_app(settings, load_catalog(settings))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
        response = await http.get("/docs")
    assert response.headers.get_list("content-security-policy") == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ]
