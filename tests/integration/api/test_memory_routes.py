"""The routes ``/api/v1/memories`` against workers that serve a memory."""

from __future__ import annotations

import base64
import itertools
import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agentkit.errors import MemoryMisconfigured, MemoryUnavailable
from agentkit.interfaces import MemoryScope, NewMemory
from agentkit.testing import InMemoryMemory
from tests.integration.api.conftest import ApiHarness, eventually, serve_rest, settings_for
from tests.integration.api.mcp_workers import problem
from tests.integration.api.memory_workers import serving

ADA = MemoryScope(kind="user", owner="ada")


async def add(harness: ApiHarness, text: str, **body: Any) -> dict[str, Any]:
    response = await harness.http.post("/api/v1/memories", json={"text": text, **body})
    assert response.status_code in (200, 201), response.text
    memory: dict[str, Any] = response.json()
    return memory


async def texts(harness: ApiHarness, **params: Any) -> list[str]:
    return [memory["text"] for memory in (await harness.get("/memories", **params))["memories"]]


async def test_a_memory_is_added_found_changed_and_deleted(harness: ApiHarness) -> None:
    async with serving(harness, InMemoryMemory()):
        added = await add(harness, "Ada prefers tea to coffee.", user="ada", metadata={"from": "chat"})
        assert added["outcome"] == "new"
        assert (added["scope"], added["metadata"], "task_id" in added) == ("user/ada", {"from": "chat"}, False)
        await add(harness, "Bob plays chess.", user="bob")

        found = (await harness.get("/memories/search", q="Which drink does Ada prefer: tea?", user="ada"))["memories"]
        assert [(memory["id"], memory["score"]) for memory in found] == [(added["id"], 1.0)]
        assert await texts(harness, user="bob") == ["Bob plays chess."]

        path = f"/api/v1/memories/{added['id']}"
        changed = await harness.http.patch(path, json={"text": "Ada prefers coffee now."})
        assert (changed.status_code, changed.json()["text"]) == (200, "Ada prefers coffee now.")
        shown = await harness.get(f"/memories/{added['id']}", user="ada")
        assert shown["text"] == "Ada prefers coffee now."
        problem(await harness.http.get(path, params={"user": "bob"}), 404, "memory-not-found")
        problem(await harness.http.delete(path, params={"user": "bob"}), 404, "memory-not-found")
        assert (await harness.http.delete(path)).status_code == 204
        problem(await harness.http.delete(path), 404, "memory-not-found")
        assert await texts(harness, user="ada") == []


async def test_a_user_gets_a_key_with_its_first_memory_in_each_tenant(tmp_path: Path, temporal_port: int) -> None:
    keys = {"a": SecretStr(base64.b64encode(os.urandom(32)).decode())}
    settings = settings_for(tmp_path, temporal_port).model_copy(update={"encryption_keys": keys, "tenant_keys": True})

    def key_files() -> int:
        return len([path for path in (settings.data_dir / "tenant-keys").glob("*") if len(path.name) == 20])

    async with serve_rest(settings) as harness, serving(harness, InMemoryMemory()):
        assert await texts(harness, user="nobody") == []
        await harness.get("/memories/search", q="tea", user="nobody")
        assert key_files() == 0
        await add(harness, "Ada prefers tea.", user="ada")
        assert key_files() == 1
        assert await texts(harness, user="ada") == ["Ada prefers tea."]
        body = {"text": "Ada prefers coffee.", "user": "ada"}
        added = await harness.http.post("/api/v1/memories", params={"tenant": "acme"}, json=body)
        assert (added.status_code, key_files()) == (201, 2)
        assert await texts(harness, user="ada", tenant="acme") == ["Ada prefers coffee."]


async def test_an_expiry_is_ahead_and_null_removes_it(harness: ApiHarness) -> None:
    past, ahead = [(datetime.now(UTC) + timedelta(hours=hours)).isoformat() for hours in (-1, 1)]
    async with serving(harness, InMemoryMemory()):
        body = {"text": "Ada is on holiday.", "expires_at": past}
        refused = problem(await harness.http.post("/api/v1/memories", json=body), 422, "invalid")
        assert refused["errors"][0]["pointer"] == "#/expires_at"
        assert "is past" in refused["detail"]

        added = await add(harness, "Ada is on holiday.", expires_at=ahead)
        path = f"/api/v1/memories/{added['id']}"
        problem(await harness.http.patch(path, json={"expires_at": past}), 422, "invalid")
        assert "expires_at" in (await harness.http.patch(path, json={"text": "Ada is in Rome."})).json()
        assert "expires_at" not in (await harness.http.patch(path, json={"expires_at": None})).json()
        assert "expires_at" not in await harness.get(f"/memories/{added['id']}")


async def test_the_same_text_and_the_same_key_are_one_memory(harness: ApiHarness) -> None:
    async with serving(harness, InMemoryMemory()):
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        first, second = [
            await harness.http.post("/api/v1/memories", json={"text": text}, headers=headers)
            for text in ("The office is closed on Fridays.", "Another text.")
        ]
        again = await harness.http.post("/api/v1/memories", json={"text": "The office is closed on Fridays."})
        assert (first.status_code, second.status_code, again.status_code) == (201, 200, 200)
        assert {response.json()["id"] for response in (first, second, again)} == {first.json()["id"]}
        assert (again.json()["outcome"], again.json()["scope"]) == ("same", "user/default")


async def test_pages_are_newest_first_and_have_a_cursor_of_their_scope(harness: ApiHarness) -> None:
    async with serving(harness, InMemoryMemory()):
        for text in ("One red apple.", "Two green pears.", "Three blue plums."):
            await add(harness, text, agent="gardener")
        page = await harness.get("/memories", agent="gardener", limit=2)
        assert ([memory["text"] for memory in page["memories"]], page["total"]) == (
            ["Three blue plums.", "Two green pears."],
            3,
        )
        rest = await harness.get("/memories", scope="agent/gardener", limit=2, cursor=page["next_cursor"])
        assert ([memory["text"] for memory in rest["memories"]], rest.get("next_cursor")) == (["One red apple."], None)
        other = await harness.http.get("/api/v1/memories", params={"user": "ada", "cursor": page["next_cursor"]})
        problem(other, 400, "cursor-invalid")


async def test_only_a_scope_that_is_named_is_erased(harness: ApiHarness) -> None:
    async with serving(harness, InMemoryMemory()):
        await add(harness, "Ada likes tea.", user="ada")
        await add(harness, "Ada lives in Paris.", user="ada")
        await add(harness, "All use metric units.", scope="tenant")
        problem(await harness.http.delete("/api/v1/memories"), 422, "invalid")
        erased = await harness.http.delete("/api/v1/memories", params={"user": "ada"})
        assert (erased.status_code, erased.json()) == (200, {"erased": 2})
        assert await texts(harness, scope="tenant") == ["All use metric units."]


async def test_an_export_can_be_imported_elsewhere_with_dates_and_links(harness: ApiHarness) -> None:
    start, seconds = datetime(2026, 3, 1, tzinfo=UTC), itertools.count()
    memory = InMemoryMemory(now=lambda: start + timedelta(seconds=next(seconds)))
    async with serving(harness, memory):
        old = (await memory.remember(ADA, NewMemory(text="Ada lives in Paris.", key="1", task_id="task-1"))).memory
        await memory.remember(ADA, NewMemory(text="Ada lives in Rome.", key="2", supersedes=old.id))
        long = "x" * 3_900
        for number in range(150):  # more than one part of an export, and of an import
            await memory.remember(ADA, NewMemory(text=f"{uuid.uuid4().hex} {long}", key=f"long {number}"))
        exported = await harness.http.get("/api/v1/memories/export", params={"user": "ada"})
        assert (exported.status_code, exported.headers["content-type"]) == (200, "application/jsonl")
        lines = [json.loads(line) for line in exported.text.splitlines()]
        assert [line["text"] for line in lines[:2]] == ["Ada lives in Paris.", "Ada lives in Rome."]
        assert len(lines) == 152

        path = "/api/v1/memories/import"
        headers = {"Content-Type": exported.headers["content-type"]}
        imported = await harness.http.post(path, params={"user": "eva"}, content=exported.content, headers=headers)
        assert imported.json() == {"imported": 152, "same": 0, "updated": 0}
        again = await harness.http.post(path, params={"user": "eva"}, content=exported.content)
        assert again.json() == {"imported": 0, "same": 152, "updated": 0}
        copies = [each async for each in memory.export(MemoryScope(kind="user", owner="eva"))]
        assert [(each.text, each.task_id) for each in copies[:2]] == [
            ("Ada lives in Paris.", "task-1"),
            ("Ada lives in Rome.", None),
        ]
        assert copies[0].created_at == old.created_at
        assert copies[0].superseded_by == copies[1].id


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "Line 2: it isn't JSON"),
        ("[]", "Line 2: it isn't JSON: expected an object"),
        ('{"text": ""}', "Line 2: text: "),
        ('{"text": "a", "created_at": 5}', "Line 2: created_at: Expected a time"),
        (
            '{"text": "a", "expires_at": "2020-01-01T00:00:00Z"}',
            "Line 2: expires_at: 2020-01-01T00:00:00+00:00 is past",
        ),
    ],
    ids=["no JSON", "no object", "no text", "a number as time", "expired"],
)
async def test_an_import_with_a_wrong_line_imports_nothing(harness: ApiHarness, line: str, message: str) -> None:
    async with serving(harness, InMemoryMemory()):
        body = f'{{"text": "Ada likes tea."}}\n{line}\n'
        refused = problem(await harness.http.post("/api/v1/memories/import", content=body.encode()), 422, "invalid")
        assert refused["detail"].startswith(message)
        assert await texts(harness) == []


async def test_reindex_says_how_many(harness: ApiHarness) -> None:
    async with serving(harness, InMemoryMemory()):
        await add(harness, "Ada likes tea.")
        response = await harness.http.post("/api/v1/memories/reindex")
        assert (response.status_code, response.json()) == (200, {"indexed": 1})


@pytest.mark.parametrize(
    ("method", "path", "json"),
    [
        ("POST", "/memories", {"text": " "}),
        ("POST", "/memories", {"text": "a", "user": "ada", "agent": "assistant"}),
        ("POST", "/memories", {"text": "a", "scope": "everybody"}),
        ("PATCH", f"/memories/{uuid.UUID(int=1)}", {}),
        ("GET", "/memories?user=ada&scope=tenant", None),
        ("GET", "/memories/search", None),
    ],
    ids=["no text", "two scopes", "no such scope", "no change", "two scopes of a list", "no query"],
)
async def test_a_wrong_request_needs_no_worker(harness: ApiHarness, method: str, path: str, json: Any) -> None:
    problem(await harness.http.request(method, f"/api/v1{path}", json=json), 422, "invalid")


@pytest.mark.parametrize(
    ("method", "query", "name"),
    [
        ("DELETE", "", "user"),
        ("DELETE", "?user=ada&agent=clerk", "agent"),
        ("GET", "?user=ada&scope=tenant", "scope"),
        ("GET", "/search?q=tea&agent=clerk&scope=tenant", "scope"),
    ],
)
async def test_a_problem_names_the_parameter_that_is_missing_or_too_many(
    harness: ApiHarness, method: str, query: str, name: str
) -> None:
    refused = problem(await harness.http.request(method, f"/api/v1/memories{query}"), 422, "invalid")
    (error,) = refused["errors"]
    assert (error["field"], "pointer" in error) == (name, False)
    assert "one of user, agent and scope" in error["detail"]


async def test_without_workers_the_cure_is_in_the_problem(harness: ApiHarness) -> None:
    refused = problem(await harness.http.get("/api/v1/memories"), 503, "memory-not-served")
    assert "no worker runs" in refused["detail"]
    assert "Start a worker (`" in refused["detail"]


async def test_workers_that_serve_no_memory_are_named_as_the_cause(harness: ApiHarness) -> None:
    async with harness.worker([]):
        await eventually(lambda: harness.http.get("/readyz"), lambda response: response.status_code == 200)
        refused = problem(await harness.http.get("/api/v1/memories"), 503, "memory-not-served")
    assert "none of them serves memory" in refused["detail"]


class _Failing(InMemoryMemory):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def erase(self, scope: MemoryScope) -> int:
        raise self._error


async def test_a_memory_of_another_model_is_refused_with_the_cure(harness: ApiHarness) -> None:
    async with serving(harness, _Failing(MemoryMisconfigured("Another model. Run opspawn memory reindex."))):
        refused = await harness.http.delete("/api/v1/memories", params={"user": "ada"})
        assert problem(refused, 503, "memory-not-usable")["detail"] == "Another model. Run opspawn memory reindex."
        assert "Retry-After" not in refused.headers


async def test_a_server_of_memory_that_is_away_is_named(harness: ApiHarness) -> None:
    async with serving(harness, _Failing(MemoryUnavailable("No response from http://127.0.0.1:6333"))):
        refused = problem(
            await harness.http.delete("/api/v1/memories", params={"user": "ada"}), 503, "memory-not-served"
        )
        assert "No response from http://127.0.0.1:6333" in refused["detail"]
