"""Streams, cursors and memories of one tenant in requests of another."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentkit.testing import InMemoryMemory
from tests.integration.api.conftest import WITHIN, eventually, settings_for
from tests.integration.api.mcp_workers import problem
from tests.integration.api.memory_workers import serving as serving_memory
from tests.integration.api.talks import Talks
from tests.integration.api.two_tenants import TwoTenants, serve_tenants, serving
from tests.tenant_keys import ACME, GLOBEX


@pytest.fixture
async def tenants(tmp_path: Path, temporal_port: int) -> AsyncIterator[TwoTenants]:
    async with serve_tenants(settings_for(tmp_path, temporal_port)) as tenants:
        yield tenants


async def test_a_stream_is_not_resumed_by_another_tenant(tenants: TwoTenants) -> None:
    task_id = await tenants.acme.submit()
    async with tenants.acme.worker(["Done."]):
        await tenants.acme.task(task_id, wait=WITHIN)
    async with serving(tenants.app, tenants.keys.header(ACME)) as served:
        events = await served.all(task_id)
        position = events[0].id
        assert position is not None
        assert await served.all(task_id, position) == events[1:]
        theirs = tenants.keys.header(GLOBEX, "viewer")
        for headers in (theirs, {**theirs, "Last-Event-ID": position}):
            response = await served.http.get(f"/api/v1/tasks/{task_id}/events", headers=headers)
            assert problem(response, 404, "task-not-found")["detail"] == f"There is no task {task_id!r}."


async def test_the_cursor_of_another_tenants_list_is_refused(tenants: TwoTenants) -> None:
    for _ in range(2):
        await tenants.acme.submit()
    page = await eventually(lambda: tenants.acme.get("/tasks", limit=1), lambda page: page["next_cursor"] is not None)
    params = {"cursor": page["next_cursor"], "limit": 1}
    assert (await tenants.acme.get("/tasks", **params))["tasks"]
    problem(await tenants.globex.http.get("/api/v1/tasks", params=params), 400, "cursor-invalid")


async def test_filters_by_ids_of_another_tenant_find_nothing(tenants: TwoTenants) -> None:
    conversation = (await tenants.acme.http.post("/api/v1/conversations", json={"agent": "assistant"})).json()["id"]
    tag = uuid.uuid4().hex
    task_id = await tenants.acme.submit(tags=[tag])
    await eventually(lambda: tenants.acme.get("/tasks", tag=tag), lambda page: page["total"] == 1)
    for filters in ({"conversation_id": conversation}, {"parent_id": task_id}, {"tag": tag}):
        page = await tenants.globex.get("/tasks", **filters)
        assert (page["tasks"], page["total"]) == ([], 0)


async def test_a_task_names_its_tenant_and_an_administrator_lists_that_of_one(tenants: TwoTenants) -> None:
    tag = uuid.uuid4().hex  # other tests have tasks of the same tenants
    tasks = {tenant: await tenants.of(tenant).submit(tags=[tag]) for tenant in (ACME, GLOBEX)}
    for tenant, task_id in tasks.items():
        assert (await tenants.admin.task(task_id))["tenant"] == tenant
        page = await eventually(
            partial(tenants.admin.get, "/tasks", tenant=tenant, tag=tag), lambda page: bool(page["tasks"])
        )
        assert [(task["id"], task["tenant"]) for task in page["tasks"]] == [(task_id, tenant)]
    assert (await tenants.globex.get("/tasks", tenant=ACME, tag=tag))["total"] == 0
    own = await tenants.admin.post()
    assert "tenant" not in own.json()


async def test_messages_of_a_conversation_are_sent_by_the_key(tenants: TwoTenants) -> None:
    talks = Talks(tenants.acme)
    conversation = await talks.create(message="Hello")
    turn = await talks.send(conversation, "More", status=202, on_busy="enqueue")
    assert turn["tenant"] == ACME
    handle = tenants.acme.temporal.get_workflow_handle(conversation["id"])
    history = (await handle.fetch_history()).to_json()
    payloads = [base64.b64decode(data).decode() for data in re.findall(r'"data": "([^"]+)"', history)]
    assert sum('"sent_by":"operator-acme"' in payload for payload in payloads) == 2


async def test_memories_are_those_of_the_keys_tenant(tenants: TwoTenants) -> None:
    acme, globex = tenants.acme, tenants.globex
    async with serving_memory(acme, InMemoryMemory()):
        for scope in ({"user": "ada"}, {"agent": "assistant"}, {"scope": "tenant"}):
            body = {"text": "The password is swordfish.", **scope}
            added = await acme.http.post("/api/v1/memories", json=body)
            assert added.status_code == 201, added.text
            path = f"/api/v1/memories/{added.json()['id']}"
            assert len((await acme.get("/memories", **scope))["memories"]) == 1
            assert (await globex.get("/memories", **scope))["memories"] == []
            assert (await globex.get("/memories/search", q="password", **scope))["memories"] == []
            export = await globex.http.get("/api/v1/memories/export", params=scope)
            assert "swordfish" not in export.text
            erased = await globex.http.delete("/api/v1/memories", params=scope)
            assert erased.status_code < 300, erased.text
            for params in ({}, scope):
                problem(await globex.http.get(path, params=params), 404, "memory-not-found")
                problem(await globex.http.patch(path, params=params, json={"text": "x"}), 404, "memory-not-found")
                problem(await globex.http.delete(path, params=params), 404, "memory-not-found")
            assert (await acme.http.get(path)).json()["text"] == "The password is swordfish."


async def test_only_an_administrator_reads_writes_and_erases_another_tenants_memories(tenants: TwoTenants) -> None:
    acme, globex, admin = tenants.acme, tenants.globex, tenants.admin
    of_acme, root = {"tenant": ACME}, "/api/v1/memories"
    async with serving_memory(acme, InMemoryMemory()):
        body = {"text": "The password is swordfish.", "user": "ada"}
        path = f"{root}/{(await acme.http.post(root, json=body, params=of_acme)).json()['id']}"
        requests: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", root, {"params": {**of_acme, "user": "ada"}}),
            ("GET", f"{root}/search", {"params": {**of_acme, "user": "ada", "q": "password"}}),
            ("GET", f"{root}/export", {"params": {**of_acme, "user": "ada"}}),
            ("GET", path, {"params": of_acme}),
            ("POST", root, {"params": of_acme, "json": {"text": "Ada likes tea.", "user": "ada"}}),
            ("POST", f"{root}/import", {"params": of_acme, "content": b'{"text": "Bob plays chess.", "user": "ada"}'}),
            ("PATCH", path, {"params": of_acme, "json": {"metadata": {"from": "admin"}}}),
            ("DELETE", path, {"params": of_acme}),
            ("DELETE", root, {"params": {**of_acme, "user": "ada"}}),
        ]
        operations = {
            (method.upper(), filled)
            for filled, methods in tenants.app.openapi()["paths"].items()
            if filled.startswith(root)
            for method in methods
        }
        asked = {(method, url.replace(path, f"{root}/{{memory_id}}")) for method, url, _ in requests}
        assert operations == asked | {("POST", f"{root}/reindex")}, "say in this test what the new operation does"

        for role in ("viewer", "operator", "approver"):
            for method, url, options in requests:
                refused = await tenants.of(GLOBEX, role).http.request(method, url, **options)
                assert refused.status_code in (403, 404), f"{method} {url} as {role}: {refused.text}"
                if role == "operator" or method == "GET":
                    assert problem(refused, 404, "tenant-not-found")["detail"] == "There is no tenant 'acme'."
        shown = await acme.get(f"/memories/{path.rpartition('/')[2]}", **of_acme)
        assert (shown["text"], shown["metadata"]) == ("The password is swordfish.", {})

        assert (await admin.get("/memories", user="ada"))["total"] == 0
        for method, url, options in requests[:7]:
            allowed = await admin.http.request(method, url, **options)
            assert allowed.is_success, f"{method} {url}: {allowed.text}"
            assert "swordfish" in allowed.text or method == "POST", url
        texts = {each["text"] for each in (await acme.get("/memories", user="ada"))["memories"]}
        assert texts == {"The password is swordfish.", "Ada likes tea.", "Bob plays chess."}
        for harness in (admin, globex):
            assert (await harness.get("/memories", user="ada"))["total"] == 0
        for method, url, options in requests[7:]:
            assert (await admin.http.request(method, url, **options)).is_success, url
        assert (await acme.get("/memories", user="ada"))["total"] == 0
