from __future__ import annotations

import httpx2
import pytest

from tests.unit.api.rest.http_problems import problem


@pytest.mark.parametrize("path", ["/api/v1/tasks/x/events", "/api/v1/events"])
async def test_without_temporal_a_stream_is_refused_before_it_opens(http: httpx2.AsyncClient, path: str) -> None:
    assert problem(await http.get(path), 503)["type"] == "urn:opspawn:problem:temporal-unreachable"


@pytest.mark.parametrize(
    ("params", "headers"),
    [({"after": "x"}, {}), ({}, {"Last-Event-ID": "x"}), ({"after": "y"}, {"Last-Event-ID": "x"})],
    ids=["query", "header", "both"],
)
async def test_other_text_is_no_position(
    http: httpx2.AsyncClient, params: dict[str, str], headers: dict[str, str]
) -> None:
    response = await http.get("/api/v1/tasks/x/events", params=params, headers=headers)
    assert problem(response, 400)["type"] == "urn:opspawn:problem:position-invalid"
