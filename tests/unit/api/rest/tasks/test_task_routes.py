from __future__ import annotations

import json

import httpx2
import pytest

from activities.settings import Settings
from tests.unit.api.rest.http_problems import create_task, problem


def with_rule(conditions: dict[str, object]) -> dict[str, object]:
    """Return the fields of a request for an agent whose policy has one rule."""
    rule = {"if": conditions, "tool": "calculator", "then": "deny"}
    return {"agent_spec": {"policy": [rule], "name": "a", "tools": ["calculator"]}, "agent": None}


@pytest.mark.parametrize(
    ("fields", "pointer", "text"),
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
        (
            {"agent": None, "agent_spec": {"name": "a", "approvals": []}},
            "#/agent_spec/approvals",
            "policy has replaced it",
        ),
        (with_rule({"a.b": {"less": 5}}), "#/agent_spec/policy/0/if/a.b/less", "no such field"),
        (with_rule({"a": {"in": []}}), "#/agent_spec/policy/0/if/a/in", "at least 1"),
        (with_rule({"a": {"equals": None}}), "#/agent_spec/policy/0/if/a/equals", "expected a value"),
        (with_rule({}), "#/agent_spec/policy/0/if", "at least 1"),
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
        ({"start_at": 0.5}, "#/start_at", "such as 2026"),
        ({"start_at": "1795290791"}, "#/start_at", "such as 2026"),
        ({"conversation_id": "c"}, "#/conversation_id", "release"),
        ({"output_schema": {"type": "thing"}}, "#/output_schema", "no JSON Schema"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
async def test_the_pointer_of_a_wrong_field_leads_to_it(
    http: httpx2.AsyncClient, fields: dict[str, object], pointer: str, text: str
) -> None:
    document = problem(await create_task(http, **fields), 422)
    assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert text in document["errors"][0]["detail"]
    assert text in document["detail"]


async def test_every_wrong_field_is_listed(http: httpx2.AsyncClient) -> None:
    document = problem(await create_task(http, user="", typo=1, tags=5), 422)
    assert {error["pointer"] for error in document["errors"]} == {"#/user", "#/typo", "#/tags"}
    assert "2 more" in document["detail"]


@pytest.mark.parametrize(
    ("fields", "pointer", "text"),
    [
        ({"agent": "asistant"}, "#/agent", "assistant"),
        ({"model": "openai:gpt-5-mini"}, "#/model", "OPENAI_API_KEY"),
        ({"model": "opanai:gpt"}, "#/model", "openai"),
        ({"agent": None, "agent_spec": {"name": "a", "tools": ["calculater"]}}, "#/agent_spec/tools/0", "calculator"),
        ({"agent": None, "agent_spec": {"name": "a", "planner": "tols"}}, "#/agent_spec/planner", "tools"),
        (with_rule({"a": {"matches": "(?=x)"}}), "#/agent_spec/policy/0/if/a/matches", "neither lookarounds"),
        (
            with_rule({"expresion": {"exists": True}}),
            "#/agent_spec/policy/0/if/expresion",
            "Did you mean 'expression'?",
        ),
    ],
    ids=["agent", "key", "provider", "tool", "planner", "pattern", "argument"],
)
async def test_a_task_that_can_not_run_is_refused_with_a_hint(
    http: httpx2.AsyncClient, fields: dict[str, object], pointer: str, text: str
) -> None:
    document = problem(await create_task(http, **fields), 422)
    assert document["type"] == "urn:opspawn:problem:task-refused"
    assert document["errors"][0]["pointer"] == pointer
    assert text in document["detail"]


async def test_an_agent_file_with_a_fault_is_refused_and_listed_with_the_fault(
    http: httpx2.AsyncClient, settings: Settings
) -> None:
    (settings.app_dir / "agents" / "broken.yaml").write_text("name: broken\ninstrctions: typo\n")
    document = problem(await create_task(http, agent="broken"), 422)
    assert "instrctions" in document["detail"]
    agents = (await http.get("/api/v1/agents")).json()
    assert any("instrctions" in text for text in agents["problems"])


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
        ("created_after=1795290791", "created_after"),
        ("created_before=0.5", "created_before"),
        ("created_after=2026-11-21T00:00:00", "created_after"),
        ("agent=", "agent"),
        ("agent=a%00", "agent"),
        ("tag=a%22", "tag"),
    ],
)
async def test_a_wrong_filter_is_named(http: httpx2.AsyncClient, query: str, field: str) -> None:
    document = problem(await http.get(f"/api/v1/tasks?{query}"), 422)
    assert [error["field"] for error in document["errors"]] == [field]


async def test_a_plus_that_the_client_did_not_encode_is_accepted_in_times(http: httpx2.AsyncClient) -> None:
    response = await http.get("/api/v1/tasks?created_after=2026-11-21T00:00:00+00:00")
    problem(response, 503)  # the filter is valid; only Temporal is missing


@pytest.mark.parametrize("wait", ["-1", "61", "x", "nan", "inf"])
async def test_a_wait_is_bounded(http: httpx2.AsyncClient, wait: str) -> None:
    assert "wait" in problem(await http.get(f"/api/v1/tasks/x?wait={wait}"), 422)["detail"]
