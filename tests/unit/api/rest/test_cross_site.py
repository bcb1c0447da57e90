from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from agentkit.errors import ConfigurationInvalid
from api.app import create_app
from tests.unit.api.rest.http_problems import problem

CANCEL = "/api/v1/tasks/task-1/cancel"


def client_of(app: FastAPI, host: str = "localhost") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=f"http://{host}")


@pytest.mark.parametrize(
    "host",
    ["localhost:8000", "LOCALHOST", "app.localhost", "127.0.0.1:8000", "[::1]:8000", "192.0.2.7", "localhost."],
)
async def test_addresses_and_names_of_this_machine_are_served(http: httpx2.AsyncClient, host: str) -> None:
    assert (await http.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "user@localhost",
        "",
        "a b",
    ],
)
async def test_other_names_are_refused_with_the_setting_that_adds_them(http: httpx2.AsyncClient, host: str) -> None:
    for path in ("/healthz", "/api/v1/agents", "/", "/nothing"):
        assert (
            "allowed_hosts" in problem(await http.get(path, headers={"Host": host}), 421, "host-not-allowed")["detail"]
        )


@pytest.mark.parametrize(
    ("changes", "served", "refused"),
    [
        ({"allowed_hosts": ("*.example.com",)}, "a.b.example.com:443", "example.com"),
        ({"allowed_hosts": ("agents.example.com",)}, "AGENTS.example.com", "x.agents.example.com"),
        ({"url": "https://agents.example.com"}, "agents.example.com", "example.com"),
    ],
)
async def test_configured_names_are_served(
    settings: Settings, changes: dict[str, object], served: str, refused: str
) -> None:
    settings = settings.model_copy(update=changes)
    async with client_of(create_app(settings, load_catalog(settings))) as http:
        assert (await http.get("/healthz", headers={"Host": served})).status_code == 200
        assert (await http.get("/healthz", headers={"Host": refused})).status_code == 421


def test_a_name_that_is_an_address_is_refused_by_the_settings() -> None:
    assert Settings.load(allowed_hosts="Agents.example.com, *.local").allowed_hosts == ("agents.example.com", "*.local")
    with pytest.raises(ConfigurationInvalid, match="no scheme, no port"):
        Settings.load(allowed_hosts="https://agents.example.com")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_change_with_what_forms_send_is_refused(http: httpx2.AsyncClient, content_type: str) -> None:
    response = await http.post(CANCEL, content=b"{}", headers={"Content-Type": content_type})
    assert "application/json" in problem(response, 415, "content-type")["detail"]


_IMAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
_FRAME = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
_LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {"Origin": "http://evil.example", "Content-Type": "application/json"},
        {"Origin": "http://evil.example", "Authorization": "Basic eDp5"},
        {"Sec-Fetch-Site": "cross-site"},
        _LINK,
    ],
    ids=["origin", "port", "null", "json", "stored-password", "no-origin", "form"],
)
async def test_a_change_is_refused_from_other_sites(http: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    assert "cors_origins" in problem(await http.post(CANCEL, headers=headers), 403, "other-site")["detail"]


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, _IMAGE, _FRAME], ids=["fetch", "image", "frame"]
)
async def test_another_sites_page_cannot_even_send_reads(http: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    for path in ("/", "/healthz", "/api/v1/events", "/api/v1/agents"):
        problem(await http.get(path, headers=headers), 403, "other-site")


async def test_links_of_other_sites_can_be_followed(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/healthz", headers=_LINK)).status_code == 200
    assert (await http.get("/docs", headers=_LINK)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Content-Type": "text/plain", "Authorization": "Bearer token"},
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "application/jsonl; charset=utf-8"},
    ],
    ids=["program", "own-page", "token", "json", "json-lines"],
)
async def test_changes_that_no_page_of_another_site_can_send_get_to_temporal(
    http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    problem(await http.post(CANCEL, headers=headers), 503, "temporal-unreachable")


async def test_a_page_of_a_configured_origin_may_change_things(settings: Settings) -> None:
    settings = settings.model_copy(update={"cors_origins": ("https://app.example",)})
    app = create_app(settings, load_catalog(settings))
    async with app.router.lifespan_context(app), client_of(app) as http:
        problem(await http.post(CANCEL, headers={"Origin": "https://app.example"}), 503, "temporal-unreachable")
        problem(await http.post(CANCEL, headers={"Origin": "https://other.example"}), 403, "other-site")
        preflight = {"Access-Control-Request-Method": "POST"}
        for origin, status in (("https://app.example", 200), ("https://other.example", 403)):
            assert (await http.options(CANCEL, headers={"Origin": origin, **preflight})).status_code == status
