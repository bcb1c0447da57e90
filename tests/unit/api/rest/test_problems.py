from __future__ import annotations

import json
import logging
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from activities.settings import Settings

JSON = {"Content-Type": "application/json"}


def problem(response: httpx2.Response, status: int) -> dict[str, Any]:
    """Check that it is a problem of that status; return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["status"] == status
    assert found["type"]
    assert found["title"]
    assert found["detail"]
    return found


async def create(http: httpx2.AsyncClient, **fields: object) -> httpx2.Response:
    """Ask for a task whose agent and input are right, unless given otherwise."""
    body = {"agent": "assistant", "input": "Hi", **fields}
    return await http.post("/api/v1/tasks", json={key: value for key, value in body.items() if value is not None})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"agent": "assistant",\n "input": oops}', "line 2, column 11"),
        (b'{"agent": "assistant"', "line 1, column 22"),
        (b"\xff", "UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"limits": {"deadline": NaN}}', "NaN"),
        (b'{"limits": {"deadline": -Infinity}}', "-Infinity"),
        (b'{"limits": {"max_cost_usd": 1e999}}', "1e999"),
        (b'{"input": "\\ud800"}', "surrogate"),
        (b'{"metadata": {"\\uDFFF": ""}}', "surrogate"),
    ],
    ids=["word", "cut", "bytes", "deep", "nan", "infinity", "huge", "surrogate", "surrogate-key"],
)
async def test_what_is_not_json_is_said_with_its_place(http: httpx2.AsyncClient, body: bytes, said: str) -> None:
    response = await http.post("/api/v1/tasks", content=body, headers=JSON)
    assert said in problem(response, 400)["detail"]


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"nonsense": 1}, "#/nonsense", "no such field"),
        ({"input": ""}, "#/input", "empty"),
        ({"input": " \n"}, "#/input", "empty"),
        ({"input": []}, "#/input", "empty"),
        ({"input": [{"type": "text", "text": " "}]}, "#/input", "empty"),
        ({"input": None}, "#/input", "required"),
        ({"input": 5}, "#/input", "text, or a list"),
        ({"input": [{"type": "text", "text": "a", "typo": 1}]}, "#/input/0/typo", "no such field"),
        ({"input": [{"type": "text", "text": 5}]}, "#/input/0/text", "string"),
        ({"input": [{"type": "text"}]}, "#/input/0/text", "required"),
        ({"input": [{"type": "sound"}]}, "#/input/0", "sound"),
        ({"input": [{"type": "image"}]}, "#/input/0", "url or data"),
        ({"agent": None}, "#", "agent"),
        ({"agent_spec": {"name": "a"}}, "#", "agent"),
        ({"agent": None, "agent_spec": {"name": "a", "typo": 1}}, "#/agent_spec/typo", "no such field"),
        ({"limits": {"max_steps": 0}}, "#/limits/max_steps", "greater"),
        ({"limits": {"deadline": "soon"}}, "#/limits/deadline", "30s"),
        ({"limits": {"deadline": 1e300}}, "#/limits/deadline", "less"),
        ({"tags": ["a", 'b"']}, "#/tags/1", "match"),
        ({"tags": ["a\u0000"]}, "#/tags/0", "match"),
        ({"tags": ["x"] * 21}, "#/tags", "20"),
        ({"metadata": {"a": 1}}, "#/metadata/a", "string"),
        ({"metadata": {"a/b~": 1}}, "#/metadata/a~1b~0", "string"),
        ({"user": ""}, "#/user", "character"),
        ({"start_at": "2026-11-21T00:00:00"}, "#/start_at", "timezone"),
        ({"start_at": "2999-01-01T00:00:00Z"}, "#/start_at", "year"),
        ({"conversation_id": "c"}, "#/conversation_id", "release"),
        ({"output_schema": {"type": "thing"}}, "#/output_schema", "no JSON Schema"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
async def test_a_wrong_field_is_pointed_to(
    http: httpx2.AsyncClient, fields: dict[str, object], pointer: str, said: str
) -> None:
    found = problem(await create(http, **fields), 422)
    assert [error["pointer"] for error in found["errors"]] == [pointer]
    assert said in found["errors"][0]["detail"]
    assert said in found["detail"]


@pytest.mark.parametrize(
    "body", [b"[1]", b'"text"', b"null", b"5", b""], ids=["list", "text", "null", "number", "none"]
)
async def test_a_body_must_be_an_object(http: httpx2.AsyncClient, body: bytes) -> None:
    found = problem(await http.post("/api/v1/tasks", content=body, headers=JSON), 422)
    assert "object" in found["detail"]


async def test_every_fault_is_listed(http: httpx2.AsyncClient) -> None:
    found = problem(await create(http, user="", typo=1, tags=5), 422)
    assert {error["pointer"] for error in found["errors"]} == {"#/user", "#/typo", "#/tags"}
    assert "2 more" in found["detail"]


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"agent": "asistant"}, "#/agent", "assistant"),
        ({"model": "openai:gpt-5-mini"}, "#/model", "OPENAI_API_KEY"),
        ({"model": "opanai:gpt"}, "#/model", "openai"),
        ({"agent": None, "agent_spec": {"name": "a", "tools": ["calculater"]}}, "#/agent_spec", "calculator"),
        ({"agent": None, "agent_spec": {"name": "a", "planner": "tols"}}, "#/agent_spec", "tools"),
    ],
    ids=["agent", "key", "provider", "tool", "planner"],
)
async def test_what_can_not_run_is_refused_with_a_hint(
    http: httpx2.AsyncClient, fields: dict[str, object], pointer: str, said: str
) -> None:
    found = problem(await create(http, **fields), 422)
    assert found["type"] == "urn:opspawn:problem:task-refused"
    assert found["errors"][0]["pointer"] == pointer
    assert said in found["detail"]


async def test_a_broken_agent_file_is_told_with_its_problem(http: httpx2.AsyncClient, settings: Settings) -> None:
    (settings.app_dir / "agents" / "broken.yaml").write_text("name: broken\ninstrctions: typo\n")
    found = problem(await create(http, agent="broken"), 422)
    assert "instrctions" in found["detail"]
    agents = (await http.get("/api/v1/agents")).json()
    assert any("instrctions" in told for told in agents["problems"])


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
async def test_only_json_is_taken(http: httpx2.AsyncClient, kind: str) -> None:
    response = await http.post("/api/v1/tasks", content=b"{}", headers={"Content-Type": kind})
    assert "application/json" in problem(response, 415)["detail"]


async def test_a_body_over_the_limit_is_refused_with_the_limit(http: httpx2.AsyncClient, settings: Settings) -> None:
    found = problem(await create(http, input="x" * settings.max_input_bytes), 413)
    assert str(settings.max_input_bytes) in found["detail"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"], ids=["empty", "long", "tab", "not-ascii"])
async def test_an_idempotency_key_must_be_printable(http: httpx2.AsyncClient, key: str) -> None:
    headers = [(b"Content-Type", b"application/json"), (b"Idempotency-Key", key.encode("latin-1"))]
    response = await http.post("/api/v1/tasks", content=b'{"agent": "assistant", "input": "Hi"}', headers=headers)
    assert "Idempotency-Key" in problem(response, 400)["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("status=done", "status.0"),
        ("stauts=failed", "stauts"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-11-21T00:00:00", "created_after"),
        ("agent=", "agent"),
        ("agent=a%00", "agent"),
        ("tag=a%22", "tag"),
    ],
)
async def test_a_wrong_filter_is_named(http: httpx2.AsyncClient, query: str, field: str) -> None:
    found = problem(await http.get(f"/api/v1/tasks?{query}"), 422)
    assert [error["field"] for error in found["errors"]] == [field]


@pytest.mark.parametrize("wait", ["-1", "61", "x", "nan", "inf"])
async def test_a_wait_is_bounded(http: httpx2.AsyncClient, wait: str) -> None:
    assert "wait" in problem(await http.get(f"/api/v1/tasks/x?wait={wait}"), 422)["detail"]


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v1/tasks/", "/api/v1/tasks/a/b", "/api/v2/tasks"])
async def test_an_unknown_path_is_not_found(http: httpx2.AsyncClient, path: str) -> None:
    assert path in problem(await http.get(path), 404)["detail"]


async def test_an_unknown_agent_is_not_found(http: httpx2.AsyncClient) -> None:
    assert "assistant" in problem(await http.get("/api/v1/agents/nobody"), 404)["detail"]


async def test_a_wrong_method_is_told_the_right_ones(http: httpx2.AsyncClient) -> None:
    response = await http.delete("/api/v1/tasks")
    assert "GET, POST" in problem(response, 405)["detail"]
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/tasks/x", "/api/v1/tasks/x?wait=1", "/readyz"])
async def test_temporal_out_of_reach_is_told_with_its_address(
    http: httpx2.AsyncClient, settings: Settings, path: str
) -> None:
    response = await http.get(path)
    assert f"127.0.0.1:{settings.temporal_port}" in problem(response, 503)["detail"]
    assert response.headers["retry-after"]


async def test_an_unexpected_error_has_an_id_that_stands_in_the_log(
    app: FastAPI, http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/boom")
    async def boom() -> None:
        raise ZeroDivisionError("secret")

    with caplog.at_level(logging.ERROR):
        found = problem(await http.get("/boom"), 500)
    assert "secret" not in found["detail"]
    error_id = found["detail"].split()[-1].rstrip(".")
    assert error_id in caplog.text
    assert "ZeroDivisionError" in caplog.text
