from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import aio

from agentkit.access.keys_file import change_keys
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceStub
from tests.integration.api.conftest import WITHIN, settings_for
from tests.integration.api.grpc_harness import failure, request
from tests.integration.api.two_tenants import TwoTenants, serve_tenants
from tests.tenant_keys import ACME

_GET = tasks_pb2.GetTaskRequest(task_id="task-1")


@pytest.fixture
async def tenants(tmp_path: Path, temporal_port: int) -> AsyncIterator[TwoTenants]:
    async with serve_tenants(settings_for(tmp_path, temporal_port)) as tenants:
        yield tenants


def _revoke(tenants: TwoTenants, name: str) -> None:
    with change_keys(tenants.keys.path) as keys:
        keys[:] = [key for key in keys if key.name != name]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Basic YTpi", "Bearer opspawn_", "Bearer opspawn_00000000_" + "x" * 43, "Bearer é"]
)
async def test_requests_without_a_valid_key_are_refused(tenants: TwoTenants, authorization: str) -> None:
    headers = {b"Authorization": authorization.encode()} if authorization else None
    for path in ("/api/v1/tasks", "/api/v1/nothing", "/metrics", "/"):
        response = await tenants.anonymous.get(path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["type"] == "urn:opspawn:problem:not-authenticated"
        assert "x" * 43 not in response.text


async def test_probes_and_the_description_need_no_key(tenants: TwoTenants) -> None:
    statuses = [(await tenants.anonymous.get(path)).status_code for path in ("/healthz", "/docs", "/openapi.json")]
    assert statuses == [200, 200, 200]


async def test_roles_say_what_a_key_may_do(tenants: TwoTenants) -> None:
    viewer, approver = tenants.of(ACME, "viewer"), tenants.of(ACME, "approver")
    assert (await viewer.get("/tasks"))["tasks"] == []
    refused = await viewer.post()
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:opspawn:problem:role-missing")
    assert refused.json()["detail"] == "This needs the role operator or admin; 'viewer-acme' has viewer."
    assert (await approver.post()).status_code == 403
    assert (await tenants.acme.post()).status_code == 201
    assert (await tenants.acme.http.get("/metrics")).status_code == 403
    assert (await tenants.admin.http.get("/metrics")).status_code == 200


async def test_grpc_calls_need_a_key_and_a_role(tenants: TwoTenants) -> None:
    stub = TaskServiceStub(tenants.channel)
    refused = await failure(stub.GetTask(_GET, timeout=WITHIN))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "NOT_AUTHENTICATED")
    wrong = aio.Metadata(("authorization", "Bearer opspawn_00000000_" + "x" * 43))
    assert (await failure(stub.GetTask(_GET, metadata=wrong, timeout=WITHIN))).code is refused.code
    viewer = tenants.metadata(ACME, "viewer")
    denied = await failure(stub.CreateTask(request(), metadata=viewer, timeout=WITHIN))
    assert (denied.code, denied.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
    missing = await failure(stub.GetTask(_GET, metadata=viewer, timeout=WITHIN))
    assert missing.code is grpc.StatusCode.NOT_FOUND
    created = await stub.CreateTask(request(), metadata=tenants.metadata(ACME), timeout=WITHIN)
    assert created.task.id


async def test_a_revoked_key_is_refused_at_once(tenants: TwoTenants) -> None:
    assert (await tenants.acme.http.get("/api/v1/tasks")).status_code == 200
    _revoke(tenants, "operator-acme")
    assert (await tenants.acme.http.get("/api/v1/tasks")).status_code == 401
    assert (await tenants.globex.http.get("/api/v1/tasks")).status_code == 200
