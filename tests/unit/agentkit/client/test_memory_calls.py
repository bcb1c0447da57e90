"""The client's calls about long-term memory against a scripted API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qs

import pytest

from agentkit.client import ApiUnreachable, OpspawnClient
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, memory, problem


@pytest.fixture
async def client(api: ScriptedApi) -> AsyncIterator[OpspawnClient]:
    async with OpspawnClient(api.url, reconnect_timeout=10) as client:
        yield client


async def test_a_text_is_remembered_in_a_named_scope(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", "/memories", ScriptedResponse(201, memory(outcome="updated")))

    added = await client.memories.add(
        "Ada likes tea.",
        user="ada",
        metadata={"source": "call"},
        expires_at=datetime(2027, 1, 1, tzinfo=UTC),
        idempotency_key="key-1",
    )

    assert (added.id, added.outcome, added.scope) == ("memory-1", "updated", "user/ada")
    assert api.requests[0].headers["idempotency-key"] == "key-1"
    assert api.requests[0].body == {
        "text": "Ada likes tea.",
        "user": "ada",
        "metadata": {"source": "call"},
        "expires_at": "2027-01-01T00:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("scope", "query"),
    [
        ({}, "q=tea&limit=3"),
        ({"user": "ada"}, "user=ada&q=tea&limit=3"),
        ({"agent": "clerk"}, "agent=clerk&q=tea&limit=3"),
        ({"scope": "tenant"}, "scope=tenant&q=tea&limit=3"),
    ],
    ids=["default", "user", "agent", "tenant"],
)
async def test_a_search_is_about_one_scope(
    api: ScriptedApi, client: OpspawnClient, scope: dict[str, str], query: str
) -> None:
    api.on("GET", "/memories/search", {"memories": [memory(score=1.0)]})

    found = await client.memories.search(
        "tea", limit=3, user=scope.get("user"), agent=scope.get("agent"), scope=scope.get("scope")
    )

    assert [each.score for each in found.memories] == [1.0]
    assert api.requests[0].path.partition("?")[2] == query


async def test_a_list_is_read_in_pages(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("GET", "/memories", {"memories": [memory(superseded_by="memory-2")], "next_cursor": "c2", "total": 9})

    page = await client.memories.list(user="ada", limit=1, cursor="c1")

    assert (page.memories[0].superseded_by, page.next_cursor, page.total) == ("memory-2", "c2", 9)
    assert api.requests[0].path.partition("?")[2] == "user=ada&limit=1&cursor=c1"


async def test_only_given_fields_of_a_memory_are_changed(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("PATCH", "/memories/memory-1", memory(text="Ada likes coffee."))

    changed = await client.memories.change("memory-1", text="Ada likes coffee.")

    assert changed.text == "Ada likes coffee."
    assert api.requests[0].body == {"text": "Ada likes coffee."}


@pytest.mark.parametrize(
    ("expires_at", "sent"),
    [(datetime(2027, 1, 1, tzinfo=UTC), "2027-01-01T00:00:00+00:00"), ("never", None)],
    ids=["a time", "never"],
)
async def test_an_expiry_is_changed_or_removed(
    api: ScriptedApi, client: OpspawnClient, expires_at: datetime | Literal["never"], sent: str | None
) -> None:
    api.on("PATCH", "/memories/memory-1", memory())

    await client.memories.change("memory-1", expires_at=expires_at)

    assert api.requests[0].body == {"expires_at": sent}


@pytest.mark.parametrize(
    "response", [ScriptedResponse(200, {"erased": 1}), ScriptedResponse(200, "")], ids=["object", "empty"]
)
async def test_one_memory_is_forgotten(api: ScriptedApi, client: OpspawnClient, response: ScriptedResponse) -> None:
    api.on("DELETE", "/memories/memory-1", response)

    await client.memories.forget("memory-1")

    assert [(request.method, request.path) for request in api.requests] == [("DELETE", "/api/v1/memories/memory-1")]


async def test_a_scope_is_erased_only_by_its_name(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("DELETE", "/memories", {"erased": 7})

    with pytest.raises(ValueError, match="expected a user"):
        await client.memories.erase()

    assert await client.memories.erase(user="ada") == 7
    assert [request.path for request in api.requests] == ["/api/v1/memories?user=ada"]


async def test_an_export_is_streamed_as_lines(api: ScriptedApi, client: OpspawnClient) -> None:
    lines = "".join(json.dumps(memory(number)) + "\n" for number in (1, 2))
    api.on("GET", "/memories/export", ScriptedResponse(200, lines, "application/jsonl"))

    async with client.memories.export(agent="clerk") as blocks:
        read = b"".join([block async for block in blocks])

    assert read.decode() == lines
    assert api.requests[0].path == "/api/v1/memories/export?agent=clerk"


async def test_a_long_import_is_sent_in_parts_that_hold_whole_lines(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", "/memories/import", {"imported": 3, "same": 1}, {"imported": 2, "updated": 1})
    lines = [json.dumps({"text": f"{number} {'é' * 3_900}"}, ensure_ascii=False) + "\n" for number in range(100)]

    total = await client.memories.import_lines(lines, user="ada", max_request_bytes=500_000)

    first, second = api.requests
    assert (total.imported, total.same, total.updated) == (5, 1, 1)
    assert first.content + second.content == "".join(lines)
    assert first.headers["content-type"] == "application/jsonl"
    assert max(int(request.headers["content-length"]) for request in api.requests) <= 500_000
    assert first.content.endswith("\n")


async def test_a_missing_worker_is_reported_with_the_apis_own_words(api: ScriptedApi, client: OpspawnClient) -> None:
    api.on("POST", "/memories/reindex", problem(503, "Memory unavailable", "start a worker"), {"indexed": 12})

    with pytest.raises(ApiUnreachable, match="start a worker") as unreachable:
        await client.memories.reindex()

    assert unreachable.value.status == 503
    assert await client.memories.reindex() == 12


async def test_every_call_about_memories_may_name_a_tenant(api: ScriptedApi, client: OpspawnClient) -> None:
    for method, path, response in (
        ("GET", "/memories", {"memories": [], "next_cursor": None, "total": 0}),
        ("GET", "/memories/search", {"memories": []}),
        ("POST", "/memories", memory(outcome="new")),
        ("GET", "/memories/memory-1", memory()),
        ("PATCH", "/memories/memory-1", memory()),
        ("DELETE", "/memories/memory-1", ScriptedResponse(204, "")),
        ("GET", "/memories/export", ScriptedResponse(200, "", "application/jsonl")),
        ("POST", "/memories/import", {"imported": 1}),
        ("DELETE", "/memories", {"erased": 1}),
    ):
        api.on(method, path, response)
    memories, tenant = client.memories, "a&b"

    await memories.list(user="ada", tenant=tenant)
    await memories.search("tea", tenant=tenant)
    await memories.add("Ada likes tea.", user="ada", tenant=tenant)
    await memories.get("memory-1", tenant=tenant)
    await memories.change("memory-1", text="Tea.", tenant=tenant)
    await memories.forget("memory-1", tenant=tenant)
    async with memories.export(tenant=tenant) as blocks:
        assert [block async for block in blocks if block] == []
    await memories.import_lines(['{"text": "a"}'], tenant=tenant)
    with pytest.raises(ValueError, match="expected a user"):
        await memories.erase(tenant=tenant)
    await memories.erase(user="ada", tenant=tenant)

    assert len(api.requests) == 9
    for request in api.requests:
        assert parse_qs(request.path.partition("?")[2])["tenant"] == [tenant]
    assert api.requests[2].body == {"text": "Ada likes tea.", "user": "ada"}
