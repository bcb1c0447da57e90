from __future__ import annotations

import asyncio
import logging

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from activities.settings import Settings
from api.grpc.status_mapping import error_status
from api.rest.problems import UnexpectedErrorMiddleware, json_pointer
from api.tasks.errors import FieldIssue, RequestInvalid, ServiceError, TaskRefused
from tests.unit.api.grpc.status_details import reason_of
from tests.unit.api.rest.http_problems import problem
from tests.unit.api.service_errors import SERVICE_ERRORS


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v1/tasks/", "/api/v1/tasks/a/b", "/api/v2/tasks"])
async def test_an_unknown_path_is_not_found(http: httpx2.AsyncClient, path: str) -> None:
    assert path in problem(await http.get(path), 404)["detail"]


async def test_a_wrong_method_is_refused_with_the_right_ones(http: httpx2.AsyncClient) -> None:
    response = await http.delete("/api/v1/tasks")
    assert "GET, POST" in problem(response, 405)["detail"]
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/tasks/x", "/api/v1/tasks/x?wait=1", "/readyz"])
async def test_an_unreachable_temporal_is_a_503_with_its_address(
    http: httpx2.AsyncClient, settings: Settings, path: str
) -> None:
    response = await http.get(path)
    assert f"127.0.0.1:{settings.temporal_port}" in problem(response, 503)["detail"]
    assert response.headers["retry-after"]


async def test_an_unexpected_error_has_an_id_that_the_log_has_too(
    app: FastAPI, http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/boom")
    async def boom() -> None:
        raise ZeroDivisionError("secret")

    with caplog.at_level(logging.ERROR):
        document = problem(await http.get("/boom"), 500)
    assert "secret" not in document["detail"]
    error_id = document["detail"].split()[-1].rstrip(".")
    assert error_id in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("error", SERVICE_ERRORS, ids=lambda error: type(error).__name__)
async def test_every_service_error_is_a_problem_whose_type_is_grpcs_reason(
    app: FastAPI, http: httpx2.AsyncClient, error: ServiceError
) -> None:
    @app.get("/raise")
    async def raise_error() -> None:
        raise error

    response = await http.get("/raise")
    document = problem(response, response.status_code)
    kind = document["type"].removeprefix("urn:opspawn:problem:")
    reason = reason_of(error_status(error)).lower().replace("_", "-")
    assert kind == ("invalid" if isinstance(error, RequestInvalid) else reason)
    assert str(error) in document["detail"]
    assert 400 <= response.status_code < 600


@pytest.mark.parametrize(
    "error", [RequestInvalid(FieldIssue(("tags", 0), "Too long")), TaskRefused("Too long", path=("tags", 0))]
)
async def test_the_path_of_an_error_becomes_a_pointer(
    app: FastAPI, http: httpx2.AsyncClient, error: ServiceError
) -> None:
    @app.get("/raise")
    async def raise_error() -> None:
        raise error

    document = problem(await http.get("/raise"), 422)
    assert document["errors"] == [{"detail": "Too long", "pointer": "#/tags/0"}]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [((), "#"), (("input", 0, "text"), "#/input/0/text"), (("metadata", "a/b", "~"), "#/metadata/a~1b/~0")],
    ids=["body", "position", "escaped"],
)
def test_a_pointer_escapes_its_parts(path: tuple[str | int, ...], pointer: str) -> None:
    assert json_pointer(path) == pointer


async def test_a_request_that_is_cut_off_when_the_server_stops_is_to_be_sent_again() -> None:
    async def cancelled(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    transport = httpx2.ASGITransport(UnexpectedErrorMiddleware(cancelled))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        response = await http.get("/")
    problem(response, 503, "stopping")
    assert response.headers["retry-after"]
