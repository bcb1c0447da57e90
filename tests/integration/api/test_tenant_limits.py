"""Tenants share the workers by their weights, and have limits of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from temporalio.api.history.v1 import HistoryEvent

from activities.settings import Settings
from activities.tenants.tenant_settings import TenantSettings
from agentkit.interfaces import ModelRequest
from agentkit.testing import ScriptedResponse
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceStub
from tests.integration.api.conftest import WITHIN, eventually, settings_for
from tests.integration.api.grpc_harness import failure, request
from tests.integration.api.mcp_workers import problem
from tests.integration.api.talks import Talks
from tests.integration.api.two_tenants import TwoTenants, serve_tenants


@pytest.fixture
async def tenants(tmp_path: Path, temporal_port: int) -> AsyncIterator[TwoTenants]:
    async with serve_tenants(_settings(tmp_path, temporal_port)) as tenants:
        yield tenants


def _settings(directory: Path, temporal_port: int) -> Settings:
    limits = {
        "acme": TenantSettings(weight=2.5, max_tokens_a_day=40, max_cost_usd_a_day=5),
        "globex": TenantSettings(max_running_tasks=2),
    }
    return settings_for(directory, temporal_port).model_copy(update={"tenants": limits})


async def test_a_task_has_the_tenant_as_its_fairness_key(tenants: TwoTenants) -> None:
    started = await _first_event(tenants, await tenants.globex.submit())
    assert started.workflow_execution_started_event_attributes.priority.fairness_key == "globex"


async def test_the_turn_of_a_conversation_inherits_tenant_and_weight(tenants: TwoTenants) -> None:
    conversation = await tenants.acme.http.post(
        "/api/v1/conversations", json={"agent": "assistant", "message": "Hello"}
    )
    assert conversation.status_code == 201, conversation.text
    async with tenants.acme.worker(["Done."]):
        listed = await tenants.acme.listed(1, conversation_id=conversation.json()["id"])
        await tenants.acme.task(listed["tasks"][0]["id"], wait=WITHIN)
    for workflow_id in (conversation.json()["id"], listed["tasks"][0]["id"]):
        started = await _first_event(tenants, workflow_id)
        priority = started.workflow_execution_started_event_attributes.priority
        assert (priority.fairness_key, priority.fairness_weight) == ("acme", 2.5)


async def test_a_task_of_the_default_tenant_has_no_priority(tenants: TwoTenants) -> None:
    started = await _first_event(tenants, await tenants.admin.submit())
    assert started.workflow_execution_started_event_attributes.priority.ByteSize() == 0


async def test_a_tenant_with_its_limit_of_running_tasks_starts_no_more_until_one_ends(tenants: TwoTenants) -> None:
    tag = tenants.globex.settings.task_queue  # the server has tasks of other tests
    first = await tenants.globex.http.post(
        "/api/v1/tasks",
        json={"agent": "assistant", "input": "Hello", "tags": [tag]},
        headers={"Idempotency-Key": "one"},
    )
    task_ids = [first.json()["id"], await tenants.globex.submit(tags=[tag])]
    await tenants.globex.listed(2, tag=tag)

    refused = await tenants.globex.post()
    assert problem(refused, 429, "tenant-limited")["detail"].startswith("Tenant globex has 2 running tasks")
    assert refused.headers["Retry-After"] == "10"
    conversation = await tenants.globex.http.post("/api/v1/conversations", json={"agent": "assistant"})
    problem(conversation, 429, "tenant-limited")
    again = await tenants.globex.http.post(
        "/api/v1/tasks",
        json={"agent": "assistant", "input": "Hello", "tags": [tag]},
        headers={"Idempotency-Key": "one"},
    )
    assert (again.status_code, again.json()["id"]) == (200, task_ids[0])
    assert (await tenants.acme.post()).status_code == 201

    stopped = await tenants.globex.http.post(f"/api/v1/tasks/{task_ids[1]}/terminate")
    assert stopped.status_code == 202, stopped.text
    await eventually(tenants.globex.post, lambda response: response.status_code == 201)


async def test_a_message_starts_no_turn_beyond_the_limit_but_reaches_one_that_runs(tenants: TwoTenants) -> None:
    talks = Talks(tenants.globex)
    conversation = await talks.create()
    busy = await talks.create(message="Hello", on_busy="enqueue")
    await tenants.globex.submit()
    gate = asyncio.Event()

    async def wait_at_gate(_: ModelRequest) -> ScriptedResponse:
        await gate.wait()
        return "Done."

    async with tenants.globex.worker(wait_at_gate):
        usage = await eventually(
            lambda: tenants.globex.get("/tenants/globex/usage"), lambda usage: usage["running_tasks"] == 2
        )
        assert (usage["max_running_tasks"], usage["tokens"]) == (2, None)
        refused = await talks.request("POST", f"/{conversation['id']}/messages", input="Hello")
        problem(refused, 429, "tenant-limited")
        await talks.send(busy, "Another thing", status=202)
        gate.set()
        await eventually(lambda: tenants.globex.get("/tenants/globex/usage"), lambda usage: usage["running_tasks"] == 0)
        await talks.send(conversation, "Hello")


async def test_a_tenant_that_has_spent_its_day_starts_nothing_more(tenants: TwoTenants) -> None:
    acme, talks = tenants.acme, Talks(tenants.acme)
    conversation = await talks.create()
    body, key = {"agent": "assistant", "input": "Hello"}, {"Idempotency-Key": "one"}
    async with acme.worker(["Done."] * 4):
        first = (await acme.http.post("/api/v1/tasks", json=body, headers=key)).json()["id"]
        await acme.task(first, wait=WITHIN)
        for text in ("Hello", "Hello again"):  # 15 tokens each
            await talks.say(conversation, text)
        usage = await eventually(lambda: acme.get("/tenants/acme/usage"), lambda usage: usage["tokens"] == 45)
        assert (usage["model_calls"], usage["max_tokens_a_day"]) == (3, 40)
        again = await acme.http.post("/api/v1/tasks", json=body, headers=key)
        assert (again.status_code, again.json()["id"]) == (200, first)
        refused = {
            "task": await acme.post(),
            "conversation": await acme.http.post("/api/v1/conversations", json={"agent": "assistant"}),
            "message": await talks.request("POST", f"/{conversation['id']}/messages", input="Hello"),
            "fork": await acme.http.post(f"/api/v1/tasks/{first}/fork", json={"from_step": 0}),
        }
    for response in refused.values():
        text = problem(response, 429, "tenant-spent")["detail"]
        assert text.startswith("Tenant acme has spent 45 tokens of the 40 that it may spend in a day.")
        assert 1 <= int(response.headers["Retry-After"]) <= 86_400
    stub: Any = TaskServiceStub(tenants.channel)
    failed = await failure(stub.CreateTask(request(), metadata=tenants.metadata("acme"), timeout=WITHIN))
    assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TENANT_SPENT")
    assert failed.retry_seconds >= 1
    assert (await tenants.globex.post()).status_code == 201


async def _first_event(tenants: TwoTenants, workflow_id: str) -> HistoryEvent:
    history = await tenants.admin.temporal.get_workflow_handle(workflow_id).fetch_history()
    return history.events[0]
