from __future__ import annotations

import httpx2


async def test_requests_are_counted_by_route_and_not_by_path(http: httpx2.AsyncClient) -> None:
    for name in ("assistant", "a", "b"):
        await http.get(f"/api/v1/agents/{name}")
    await http.get("/nothing")
    text = (await http.get("/metrics")).text
    assert 'opspawn_http_requests_total{method="GET",route="/api/v1/agents/{name}",status="200"} 1.0' in text
    assert 'opspawn_http_requests_total{method="GET",route="/api/v1/agents/{name}",status="404"} 2.0' in text
    assert 'route="other",status="404"} 1.0' in text


async def test_methods_that_clients_make_up_are_one_label(http: httpx2.AsyncClient) -> None:
    for path in ("/api/v1/agents", "/api/v1/agents/assistant", "/nothing"):
        for number in range(3):
            await http.request(f"MADEUP{number}", path)
    assert "MADEUP" not in (await http.get("/metrics")).text


async def test_a_request_is_in_flight_until_its_response(http: httpx2.AsyncClient) -> None:
    assert "opspawn_http_requests_in_flight 1.0" in (await http.get("/metrics")).text
