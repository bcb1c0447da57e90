from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from activities.settings import Settings
from tests.unit.api.rest.http_problems import JSON_HEADERS, create_task, problem


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"agent": "assistant",\n "input": oops}', "line 2, column 11"),
        (b'{"agent": "assistant"', "line 1, column 22"),
        (b"\xff", "UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"output_schema": ' + b'{"a": [' * 50 + b"1" + b"]}" * 50 + b"}", "nested too deeply: 100 levels"),
        (b'{"input": [' + b"{}, " * 200 + b"[" * 101 + b"]" * 101 + b"]}", "nested too deeply"),
        (b'{"limits": {"deadline": NaN}}', "NaN"),
        (b'{"limits": {"deadline": -Infinity}}', "-Infinity"),
        (b'{"limits": {"max_cost_usd": 1e999}}', "1e999"),
        (b'{"limits": {"max_steps": ' + b"9" * 5_000 + b"}}", "too long: it has 5,000 characters"),
        (b'{"input": "\\ud800"}', "surrogate"),
        (b'{"metadata": {"\\uDFFF": ""}}', "surrogate"),
    ],
    ids=[
        "word",
        "cut",
        "bytes",
        "endless",
        "deep",
        "deep-list",
        "nan",
        "infinity",
        "huge",
        "digits",
        "surrogate",
        "surrogate-key",
    ],
)
async def test_a_body_that_is_not_json_is_refused_with_the_place(
    http: httpx2.AsyncClient, body: bytes, text: str
) -> None:
    response = await http.post("/api/v1/tasks", content=body, headers=JSON_HEADERS)
    document = problem(response, 400)
    assert text in document["detail"]
    assert document["type"] == "urn:opspawn:problem:json-invalid"


async def test_a_body_of_100_levels_is_accepted(http: httpx2.AsyncClient) -> None:
    schema = b'{"const": ' + b"[" * 98 + b"]" * 98 + b"}"
    body = b'{"agent": "nobody", "input": "[[[[' + b"[" * 200 + b'", "output_schema": ' + schema + b"}"
    document = problem(await http.post("/api/v1/tasks", content=body, headers=JSON_HEADERS), 422)
    assert document["type"] == "urn:opspawn:problem:task-refused"


@pytest.mark.parametrize(
    "body", [b"[1]", b'"text"', b"null", b"5", b""], ids=["list", "text", "null", "number", "none"]
)
async def test_a_body_must_be_an_object(http: httpx2.AsyncClient, body: bytes) -> None:
    document = problem(await http.post("/api/v1/tasks", content=body, headers=JSON_HEADERS), 422)
    assert "object" in document["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
async def test_only_the_content_type_of_json_is_accepted(http: httpx2.AsyncClient, kind: str) -> None:
    response = await http.post("/api/v1/tasks", content=b"{}", headers={"Content-Type": kind})
    assert "application/json" in problem(response, 415)["detail"]


async def test_a_compressed_body_is_refused_with_the_reason(http: httpx2.AsyncClient) -> None:
    headers = {**JSON_HEADERS, "Content-Encoding": "gzip"}
    response = await http.post("/api/v1/tasks", content=b"\x1f\x8b", headers=headers)
    assert "without Content-Encoding" in problem(response, 415)["detail"]


async def test_a_body_over_the_limit_is_refused_with_the_limit(http: httpx2.AsyncClient, settings: Settings) -> None:
    document = problem(await create_task(http, input="x" * settings.max_input_bytes), 413)
    assert str(settings.max_input_bytes) in document["detail"]


async def test_an_announced_length_over_the_limit_is_refused_whatever_is_sent(
    http: httpx2.AsyncClient, settings: Settings
) -> None:
    headers = {**JSON_HEADERS, "Content-Length": str(settings.max_input_bytes + 1)}
    problem(await http.post("/api/v1/tasks", content=b"{}", headers=headers), 413)


async def test_a_body_over_the_limit_is_refused_before_all_of_it_is_read(
    http: httpx2.AsyncClient, settings: Settings
) -> None:
    chunks_read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal chunks_read
        for _ in range(100):
            chunks_read += 1
            yield b"x" * settings.max_input_bytes

    problem(await http.post("/api/v1/tasks", content=chunks(), headers=JSON_HEADERS), 413)
    assert chunks_read <= 2
