from __future__ import annotations

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from api.rest.access.header_limits import MAX_HEADER_BYTES, MAX_HEADERS, HeaderLimitMiddleware
from tests.unit.api.rest.http_problems import problem


def _client() -> httpx2.AsyncClient:
    app = HeaderLimitMiddleware(PlainTextResponse("served"))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("x", "y")] * (MAX_HEADERS + 1), id="too many"),
        pytest.param([("x", "y" * MAX_HEADER_BYTES)], id="one too long"),
        pytest.param([("x" * 400, "y" * 400)] * 30, id="too long together"),
    ],
)
async def test_too_many_or_too_long_headers_are_a_431(headers: list[tuple[str, str]]) -> None:
    async with _client() as http:
        assert "16,384 bytes" in problem(await http.get("/", headers=headers), 431, "headers-too-large")["detail"]


async def test_other_headers_are_passed_on() -> None:
    async with _client() as http:
        assert (await http.get("/", headers=[("x", "y" * 100)] * 80)).text == "served"
