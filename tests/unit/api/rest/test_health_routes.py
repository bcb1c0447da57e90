from __future__ import annotations

import httpx2

from tests.unit.api.rest.http_problems import problem


async def test_the_process_is_alive_without_temporal_but_not_ready(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    response = await http.get("/readyz")
    assert problem(response, 503)["type"] == "urn:opspawn:problem:not-ready"
    assert response.headers["retry-after"] == "2"
