"""Tenants share the workers by their weights, and have limits of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.api.history.v1 import HistoryEvent

from activities.settings import Settings
from activities.tenant_settings import TenantSettings
from tests.integration.api.conftest import WITHIN, eventually, settings_for
from tests.integration.api.mcp_workers import problem
from tests.integration.api.two_tenants import TwoTenants, serve_tenants


@pytest.fixture
async def tenants(tmp_path: Path, temporal_port: int) -> AsyncIterator[TwoTenants]:
    async with serve_tenants(_settings(tmp_path, temporal_port)) as tenants:
        yield tenants


def _settings(directory: Path, temporal_port: int) -> Settings:
    limits = {"acme": TenantSettings(weight=2.5), "globex": TenantSettings(max_running_tasks=2)}
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


async def _first_event(tenants: TwoTenants, workflow_id: str) -> HistoryEvent:
    history = await tenants.admin.temporal.get_workflow_handle(workflow_id).fetch_history()
    return history.events[0]
