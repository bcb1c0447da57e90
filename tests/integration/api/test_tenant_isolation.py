"""No route and no method shows one tenant what is another's, or that it exists."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message as ProtoMessage
from google.protobuf.message_factory import GetMessageClass

from agentkit.principal import Principal, Role
from api.current_principal import acting_as
from api.proto.opspawn.v1 import conversations_pb2, tasks_pb2
from api.proto.opspawn.v1.conversations_pb2_grpc import ConversationServiceStub
from tests.integration.api.clerk import by_step, clerk, pay_call, payments_settings
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.grpc_harness import failure
from tests.integration.api.talks import Talks
from tests.integration.api.two_tenants import TwoTenants, serve_tenants
from tests.tenant_keys import ACME, GLOBEX

SHARED = {
    *("/api/v1/agents", "/api/v1/agents/{name}", "/api/v1/tools", "/api/v1/system"),
    *("/api/v1/workers", "/api/v1/workers/set-current", "/api/v1/workers/drain"),
    *("/api/v1/mcp/servers", "/api/v1/mcp/servers/{name}/tools", "/api/v1/mcp/servers/{name}/resources"),
    *("/api/v1/mcp/servers/{name}/prompts", "/healthz", "/readyz", "/metrics", "/codec/decode", "/codec/encode"),
}
"""Paths without data of any tenant, or for admins only."""
MEMORIES = "/api/v1/memories"
"""Paths below are tested in ``test_tenant_streams.py``: they need a worker with memory."""
USAGE = "/api/v1/tenants/{tenant}/usage"
"""Tested in ``test_tenant_limits.py``: its id is the tenant's name."""
CREATING = {"/api/v1/tasks", "/api/v1/conversations"}
LISTS = {"/api/v1/tasks", "/api/v1/input-requests", "/api/v1/conversations"}
BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/tasks/{task_id}/input-requests/{input_request_id}": {"decision": "approve"},
    "/api/v1/tasks/{task_id}/messages": {"text": "Hello"},
    "/api/v1/tasks/{task_id}/limits": {"max_steps": 100},
    "/api/v1/tasks/{task_id}/fork": {"from_step": 0},
    "/api/v1/conversations/{conversation_id}": {"title": "Mine"},
    "/api/v1/conversations/{conversation_id}/messages": {"input": "Hello"},
    "/api/v1/conversations/{conversation_id}/fork": {"from_turn": 1},
}
ROLES: tuple[Role, ...] = ("operator", "approver", "viewer")


@dataclass(frozen=True)
class Acme:
    """What belongs to the tenant ``acme``."""

    tenants: TwoTenants
    ended: str
    """The id of a task that has ended."""
    waiting: str
    """The id of a task that waits for an approval."""
    request_id: str
    conversation: dict[str, Any]

    @property
    def all_ids(self) -> set[str]:
        """The ids of the tasks and the conversation."""
        return {self.ended, self.waiting, self.conversation["id"]}

    def ids(self, task_id: str) -> dict[str, str]:
        """Return values of the parameters of paths, and of the fields of gRPC requests."""
        return {
            "task_id": task_id,
            "conversation_id": self.conversation["id"],
            "input_request_id": self.request_id,
            "call_id": "call_1",
            "path": "out.csv",
        }


@pytest.fixture
async def acme(tmp_path: Path, temporal_port: int) -> AsyncIterator[Acme]:
    async with serve_tenants(payments_settings(tmp_path, temporal_port)) as tenants:
        api = tenants.acme
        async with api.worker(by_step("Done.")):
            ended = await api.submit()
            await api.task(ended, wait=WITHIN)
            talks = Talks(api)
            conversation = await talks.create(title="Ours")
            await talks.say(conversation, "Hello")
        async with api.worker(by_step(pay_call(), "Paid.")):
            waiting = await api.submit(agent=None, agent_spec=clerk())
            [request] = await eventually(lambda: _requests(api, waiting), lambda found: len(found) == 1)
        await eventually(
            lambda: api.get("/tasks"), lambda page: {ended, waiting} <= {task["id"] for task in page["tasks"]}
        )
        yield Acme(tenants, ended, waiting, request["id"], conversation)


async def _requests(api: ApiHarness, task_id: str) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = (await api.task(task_id))["input_requests"]
    return requests


def _filled(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], path)


async def test_no_route_shows_another_tenant_anything(acme: Acme) -> None:
    paths: dict[str, Any] = acme.tenants.app.openapi()["paths"]
    tried = 0
    for path, methods in paths.items():
        if path in SHARED or path.startswith(MEMORIES) or path in ("/api/v1/events", USAGE):
            continue
        for method in methods:
            if path in LISTS and method == "get":
                await _check_list(acme, path)
            elif path in CREATING:
                continue
            else:
                await _check_hidden(acme, method.upper(), path)
            tried += 1
    assert tried >= 26
    acme_again = acme.tenants.acme
    assert (await acme_again.task(acme.waiting))["status"] == "waiting"
    assert (await acme_again.get(f"/conversations/{acme.conversation['id']}"))["title"] == "Ours"


async def _check_list(acme: Acme, path: str) -> None:
    for role in ROLES:
        page = await acme.tenants.of(GLOBEX, role).get(path.removeprefix("/api/v1"))
        assert not acme.all_ids & {*re.findall(r"[\w-]+", str(page))}, path
    for harness in (acme.tenants.acme, acme.tenants.admin):
        page = await harness.get(path.removeprefix("/api/v1"))
        assert acme.all_ids & {*re.findall(r"[\w-]+", str(page))}, path


async def _check_hidden(acme: Acme, method: str, path: str) -> None:
    assert "{task_id}" in path or "{conversation_id}" in path, f"say in this test what {path} shows"
    for task_id in (acme.ended, acme.waiting):
        values = acme.ids(task_id)
        url, absent = _filled(path, values), _filled(path, {**values, "task_id": "none", "conversation_id": "none"})
        for role in ROLES:
            client = acme.tenants.of(GLOBEX, role).http
            response = await client.request(method, url, json=BODIES.get(path))
            other = await client.request(method, absent, json=BODIES.get(path))
            assert response.status_code in (403, 404), f"{method} {url} as {role}: {response.text}"
            expected = re.sub(r"'none'", repr(_owner_of(path, values)), other.text)
            assert (response.status_code, response.text) == (other.status_code, expected)
        if method == "GET" and not path.endswith(("{path}", "/result", "/events")):
            for harness in (acme.tenants.acme, acme.tenants.admin):
                shown = await harness.http.get(url)
                assert shown.status_code in (200, 503), url  # 503: no worker runs, but it exists


def _owner_of(path: str, values: dict[str, str]) -> str:
    return values["task_id" if "{task_id}" in path else "conversation_id"]


async def test_no_method_shows_another_tenant_anything(acme: Acme) -> None:
    tried = 0
    for file in (tasks_pb2.DESCRIPTOR, conversations_pb2.DESCRIPTOR):
        for service in file.services_by_name.values():
            for method in service.methods:
                if not method.name.startswith("Create"):
                    await _check_method(acme, method)
                    tried += 1
    assert tried >= 13


async def _check_method(acme: Acme, method: MethodDescriptor) -> None:
    request = GetMessageClass(method.input_type)()
    values = acme.ids(acme.waiting)
    for field in method.input_type.fields:
        if field.name in values:
            setattr(request, field.name, values[field.name])
        elif field.name in ("input", "decision", "title"):
            _fill(request, field)
    for role in ROLES:
        call = _call(acme, method, request, role)
        if method.name in ("ListTasks", "ListConversations"):
            assert not acme.all_ids & {*re.findall(r"[\w-]+", str(await call))}, method.name
        else:
            code = (await failure(call)).code
            assert code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED), f"{method.name}: {code}"


def _fill(request: Any, field: FieldDescriptor) -> None:
    if field.name == "input":
        request.input.text = "Hello"
    elif field.name == "title":
        request.title = "Mine"
    else:
        request.decision = 1


def _call(acme: Acme, method: MethodDescriptor, request: ProtoMessage, role: Role) -> Any:
    path = f"/{method.containing_service.full_name}/{method.name}"
    response_type = GetMessageClass(method.output_type)
    metadata = acme.tenants.metadata(GLOBEX, role)
    options: dict[str, Any] = {
        "request_serializer": lambda sent: sent.SerializeToString(),
        "response_deserializer": response_type.FromString,
    }
    call: Any
    if method.server_streaming:
        call = acme.tenants.channel.unary_stream(path, **options)
        return call(request, metadata=metadata, timeout=WITHIN).read()
    call = acme.tenants.channel.unary_unary(path, **options)
    return call(request, metadata=metadata, timeout=WITHIN)


async def test_the_same_idempotency_key_of_two_tenants_starts_two_tasks(acme: Acme) -> None:
    headers = {"Idempotency-Key": "same"}
    body = {"agent": "assistant", "input": "Hello"}
    ids = [
        (await acme.tenants.of(tenant).http.post("/api/v1/tasks", json=body, headers=headers)).json()["id"]
        for tenant in (ACME, GLOBEX, ACME)
    ]
    assert ids[0] == ids[2] != ids[1]


async def test_an_administrators_forks_belong_to_the_tenant_of_their_sources(acme: Acme) -> None:
    own, admin = acme.tenants.acme, acme.tenants.admin
    headers = {"Idempotency-Key": "same"}
    talk = f"/conversations/{acme.conversation['id']}"
    async with own.worker(by_step("Done.")):
        started = await admin.http.post("/api/v1/tasks", json={"agent": "assistant", "input": "Hi"}, headers=headers)
        assert "tenant" not in started.json()
        for path, body in ((f"/tasks/{acme.ended}", {"from_step": 0}), (talk, {"from_turn": 1})):
            fork = await admin.http.post(f"/api/v1{path}/fork", json=body)
            assert (fork.status_code, fork.json()["tenant"]) == (201, ACME)
            shown = await own.get(f"/{path.split('/')[1]}/{fork.json()['id']}")
            assert (shown["id"], shown["tenant"]) == (fork.json()["id"], ACME)
        keyed = {**headers, "Idempotency-Key": "fork"}
        path = f"/api/v1/tasks/{acme.ended}/fork"
        first, again, of_tenant = [
            await client.post(path, json={"from_step": 0}, headers=keyed)
            for client in (admin.http, admin.http, own.http)
        ]
    assert (first.status_code, again.status_code, of_tenant.status_code) == (201, 200, 201)
    assert first.json()["id"] == again.json()["id"] != of_tenant.json()["id"]


async def test_a_conversation_names_its_tenant(acme: Acme) -> None:
    assert (await acme.tenants.admin.get(f"/conversations/{acme.conversation['id']}"))["tenant"] == ACME
    stub = ConversationServiceStub(acme.tenants.channel)
    admin = acme.tenants.metadata("default", "admin")
    listed = await eventually(
        lambda: stub.ListConversations(conversations_pb2.ListConversationsRequest(), metadata=admin, timeout=WITHIN),
        lambda page: bool(page.conversations),
    )
    assert [each.tenant for each in listed.conversations if each.id == acme.conversation["id"]] == [ACME]


async def test_status_changes_are_those_of_the_own_tenant(acme: Acme) -> None:
    feed = acme.tenants.services.status_feed
    started: dict[str, str] = {}
    changes = {}
    for tenant in (ACME, GLOBEX):
        with acting_as(Principal(subject="viewer", tenant=tenant, roles=frozenset({"viewer"}))):
            changes[tenant] = await feed.watch()
    for tenant in changes:
        started[tenant] = await acme.tenants.of(tenant).submit()
    async with asyncio.timeout(WITHIN):
        for tenant, events in changes.items():
            async for event in events:
                assert event.task_id not in {*started.values()} - {started[tenant]}
                if event.task_id == started[tenant]:
                    break
    for events in changes.values():
        await events.aclose()


async def test_an_answer_is_that_of_the_key(acme: Acme) -> None:
    path = f"/api/v1/tasks/{acme.waiting}/input-requests/{acme.request_id}"
    operator, approver = acme.tenants.acme.http, acme.tenants.of(ACME, "approver").http
    refused = await operator.post(path, json={"decision": "approve"})
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:opspawn:problem:role-missing")
    forged = await approver.post(path, json={"decision": "approve", "answered_by": "boss"})
    assert forged.status_code == 403
    assert "'approver-acme'" in forged.json()["detail"]
    async with acme.tenants.acme.worker(by_step(pay_call(), "Paid.")):
        assert (await approver.post(path, json={"decision": "deny"})).is_success
        await acme.tenants.acme.task(acme.waiting, wait=WITHIN)
        events = (await _events(acme.tenants.acme, acme.waiting)).replace(" ", "")
    assert '"answered_by":"approver-acme"' in events


async def _events(harness: ApiHarness, task_id: str) -> str:
    return (await harness.http.get(f"/api/v1/tasks/{task_id}/events")).text
