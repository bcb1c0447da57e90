from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from grpc import aio

from agentkit.access.keys_file import change_keys
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceStub
from tests.integration.api.conftest import WITHIN, settings_for
from tests.integration.api.grpc_harness import failure, request
from tests.integration.api.test_api_server import address_of, process
from tests.integration.api.two_tenants import TwoTenants, serve_tenants, serving
from tests.tenant_keys import ACME, write_tenant_keys
from tests.token_issuer import AUDIENCE, serve_issuer

_GET = tasks_pb2.GetTaskRequest(task_id="task-1")


@pytest.fixture
async def tenants(tmp_path: Path, temporal_port: int) -> AsyncIterator[TwoTenants]:
    async with serve_tenants(settings_for(tmp_path, temporal_port)) as tenants:
        yield tenants


def _command_line(pid: int) -> str:
    file = Path(f"/proc/{pid}/cmdline")
    return file.read_text() if file.exists() else ""


async def _to_the_end(watch: aio.UnaryStreamCall[Any, Any]) -> None:
    while await watch.read() is not aio.EOF:
        pass


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
    description = (await tenants.anonymous.get("/openapi.json")).json()
    assert description["security"] == [{"bearer": []}]
    assert description["paths"]["/healthz"]["get"]["security"] == []
    assert "security" not in description["paths"]["/api/v1/tasks"]["get"]


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


async def test_a_revoked_key_ends_its_open_streams_and_waiting_requests(tenants: TwoTenants) -> None:
    task_id = await tenants.acme.submit()
    tenants.services.authentication.recheck_interval_s = 0.05
    async with serving(tenants.app, tenants.keys.header(ACME)) as served:
        async with asyncio.timeout(WITHIN), served.stream(f"/tasks/{task_id}/events") as stream:
            calls = TaskServiceStub(tenants.channel)
            watch = calls.WatchTask(tasks_pb2.WatchTaskRequest(task_id=task_id), metadata=tenants.metadata(ACME))
            waiting = asyncio.create_task(served.http.get(f"/api/v1/tasks/{task_id}", params={"wait": 60}))
            events = aiter(stream)
            assert (await anext(events)).data["task_id"] == task_id
            assert isinstance(await watch.read(), tasks_pb2.WatchTaskResponse)
            await asyncio.wait([waiting], timeout=0.2)  # several checks
            assert not waiting.done()
            _revoke(tenants, "operator-acme")
            assert [event.type async for event in events if event.type == "task.completed"] == []
            assert stream.comments[-1] == "The API key or token is no longer valid."
            assert (await waiting).status_code == 401
            ended = await failure(_to_the_end(watch))
            assert (ended.code, ended.reason) == (grpc.StatusCode.UNAUTHENTICATED, "NOT_AUTHENTICATED")
        refused = await served.http.get(f"/api/v1/tasks/{task_id}/events")
        assert refused.status_code == 401


async def test_a_principal_may_make_so_many_requests_and_others_are_not_held_up(
    tmp_path: Path, temporal_port: int
) -> None:
    settings = settings_for(tmp_path, temporal_port).model_copy(update={"rate_limit": 0.01, "rate_burst": 2})
    async with serve_tenants(settings) as tenants:
        stub = TaskServiceStub(tenants.channel)
        statuses = [(await tenants.acme.http.get("/api/v1/tasks")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        limited = await tenants.acme.http.get("/api/v1/tasks")
        assert 0 < int(limited.headers["retry-after"]) <= 100
        assert limited.json()["type"] == "urn:opspawn:problem:requests-limited"
        exhausted = await failure(stub.GetTask(_GET, metadata=tenants.metadata(ACME), timeout=WITHIN))
        assert exhausted.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < exhausted.retry_seconds <= 100
        assert (await tenants.globex.http.get("/api/v1/tasks")).status_code == 200
        assert (await tenants.anonymous.get("/healthz")).status_code == 200


async def test_an_address_may_send_so_many_invalid_keys_and_valid_ones_still(
    tmp_path: Path, temporal_port: int
) -> None:
    settings = settings_for(tmp_path, temporal_port).model_copy(update={"authentication_failures_per_minute": 2})
    wrong = "Bearer opspawn_00000000_" + "x" * 43
    async with serve_tenants(settings) as tenants:
        stub = TaskServiceStub(tenants.channel)

        async def refused(path: str = "/api/v1/tasks") -> httpx2.Response:
            return await tenants.anonymous.get(path, headers={"Authorization": wrong})

        assert [(await tenants.anonymous.get("/api/v1/tasks")).status_code for _ in range(5)] == [401] * 5  # no key
        assert [(await refused()).status_code for _ in range(3)] == [401, 401, 429]
        limited = await refused("/api/v1/events")
        assert 0 < int(limited.headers["retry-after"]) <= 30
        assert limited.headers["www-authenticate"] == "Bearer"
        assert limited.json()["type"] == "urn:opspawn:problem:authentication-failures-limited"
        exhausted = await failure(stub.GetTask(_GET, metadata=aio.Metadata(("authorization", wrong)), timeout=WITHIN))
        assert exhausted.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert exhausted.reason == "AUTHENTICATION_FAILURES_LIMITED"
        assert 0 < exhausted.retry_seconds <= 30
        forwarded = aio.Metadata(("authorization", wrong), ("x-forwarded-for", "203.0.113.7"))
        behind_proxy = await failure(stub.GetTask(_GET, metadata=forwarded, timeout=WITHIN))
        assert behind_proxy.code is grpc.StatusCode.UNAUTHENTICATED
        assert (await tenants.acme.http.get("/api/v1/tasks")).status_code == 200
        missing = await failure(stub.GetTask(_GET, metadata=tenants.metadata(ACME), timeout=WITHIN))
        assert missing.code is grpc.StatusCode.NOT_FOUND


async def test_tokens_of_an_identity_provider_are_accepted_beside_keys(tmp_path: Path, temporal_port: int) -> None:
    with serve_issuer() as issuer:
        settings = settings_for(tmp_path, temporal_port).model_copy(
            update={"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE}
        )
        async with serve_tenants(settings) as tenants:

            async def status(token: str, method: str = "GET") -> int:
                headers = {"Authorization": f"Bearer {token}"}
                body = {"agent": "assistant", "input": "Hello"} if method == "POST" else None
                response = await tenants.anonymous.request(method, "/api/v1/tasks", headers=headers, json=body)
                assert token not in response.text
                return response.status_code

            issuer.is_down = True
            assert await status(issuer.token()) == 503
            assert (await tenants.acme.http.get("/api/v1/tasks")).status_code == 200
            issuer.is_down = False
            assert await status(issuer.token()) == 503  # asked a moment ago
        async with serve_tenants(settings) as tenants:
            assert await status(issuer.token()) == 200
            assert await status(issuer.token(), "POST") == 201
            assert await status(issuer.token(roles=["viewer"]), "POST") == 403
            assert await status(issuer.token(aud="another")) == 401
            assert await status(issuer.token(exp=1)) == 401
            assert (await tenants.acme.http.get("/api/v1/tasks")).status_code == 200


async def test_a_stream_ends_when_its_token_expires(tmp_path: Path, temporal_port: int) -> None:
    with serve_issuer() as issuer:
        settings = settings_for(tmp_path, temporal_port).model_copy(
            update={"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "oidc_clock_skew": 0}
        )
        async with serve_tenants(settings) as tenants:
            tenants.services.authentication.recheck_interval_s = 0.05
            token = issuer.token(exp=int(time.time()) + 3)
            async with (
                serving(tenants.app, {"Authorization": f"Bearer {token}"}) as served,
                asyncio.timeout(WITHIN),
                served.stream("/events") as stream,
            ):
                assert [event.type async for event in stream if event.type != "task.status"] == []
                assert stream.comments[-1] == "The API key or token is no longer valid."


async def test_keys_are_in_no_log_and_no_process_list(tmp_path: Path, temporal_port: int) -> None:
    settings = settings_for(tmp_path, temporal_port)
    keys = write_tenant_keys(tmp_path)
    revoked = keys.key(ACME, "viewer")
    with change_keys(keys.path) as stored:
        stored[:] = [key for key in stored if not key.fits(revoked)]
    environment = {"OPSPAWN_KEYS_FILE": str(keys.path), "OPSPAWN_API_KEY": keys.admin}
    options = ("--host", "0.0.0.0", "--port", "0", "--grpc-port", "0")  # other machines may reach it: it has keys
    async with process(settings, *options, environment=environment) as started:
        url = (await address_of(started)).replace("0.0.0.0", "127.0.0.1")
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            for key, status in ((keys.key(ACME), 200), (revoked, 401), (f"{keys.admin}x", 401)):
                response = await http.get("/api/v1/tasks", headers={"Authorization": f"Bearer {key}"})
                assert response.status_code == status
                assert key not in response.text
        command = _command_line(started.pid)
        started.terminate()
        assert started.stderr is not None
        log = (await asyncio.wait_for(started.stderr.read(), WITHIN)).decode()
        for key in (keys.key(ACME), revoked, keys.admin):
            assert key.split("_", 2)[2] not in log + command


async def test_pages_of_allowed_origins_are_told_that_they_need_a_key(tmp_path: Path, temporal_port: int) -> None:
    page = "https://chat.example.com"
    settings = settings_for(tmp_path, temporal_port).model_copy(update={"cors_origins": (page,), "open_metrics": True})
    async with serve_tenants(settings) as tenants:
        preflight = await tenants.anonymous.options(
            "/api/v1/tasks",
            headers={
                "Origin": page,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, page)
        refused = await tenants.anonymous.get("/api/v1/tasks", headers={"Origin": page})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, page)
        assert (await tenants.anonymous.get("/metrics")).status_code == 200
        assert (await tenants.anonymous.get("/api/v1/system")).status_code == 401
