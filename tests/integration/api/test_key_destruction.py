"""When the key of a tenant or user is destroyed, its tasks can't be read anywhere, and nothing else breaks."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from activities.temporal.encryption.encrypted_payloads import ENCRYPTED, key_reference
from activities.temporal.encryption.payload_encryption import PayloadEncryption
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceStub
from cli.key_destruction import DestroyedKeys, KeyDestruction
from tests.integration.api.clerk import by_step, clerk, pay_call, payments_settings
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.grpc_harness import failure
from tests.integration.api.talks import Talks, echo
from tests.integration.api.two_tenants import TwoTenants, serve_tenants

SECRET = "PLANTED-4f1b7e"


@dataclass(frozen=True)
class Installation:
    """Two tenants, each with a task that has ended, one that waits, and a conversation."""

    tenants: TwoTenants
    ended: dict[str, str]
    waiting: dict[str, str]
    conversations: dict[str, str]

    @property
    def tag(self) -> dict[str, str]:
        """Parameters of lists, for what is of this test."""
        return {"tag": self.tenants.admin.settings.task_queue}

    @property
    def codec(self) -> PayloadEncryption:
        codec = self.tenants.admin.temporal.data_converter.payload_codec
        assert isinstance(codec, PayloadEncryption)
        return codec

    async def destroy(self, tenant: str, user: str | None = None) -> int:
        destroyed = await self._destroy(tenant, user)
        assert destroyed.problems == ()
        return destroyed.terminated

    async def problems(self, tenant: str) -> tuple[str, ...]:
        """Destroy the keys of a tenant; return what couldn't be done."""
        return (await self._destroy(tenant, None)).problems

    async def _destroy(self, tenant: str, user: str | None) -> DestroyedKeys:
        harness, keys = self.tenants.admin, self.codec.tenant_keys
        payloads = harness.settings.data_dir / "payloads"
        destruction = KeyDestruction(harness.temporal, keys, payloads, cache_expiry_s=0, look_interval_s=0.1)
        return await destruction.destroy((await keys.owned_by(tenant, user)).keys)

    def ids(self, tenant: str) -> set[str]:
        return {self.ended[tenant], self.waiting[tenant], self.conversations[tenant]}


@pytest.fixture
async def tenants(tmp_path: Path, temporal_port: int) -> AsyncIterator[TwoTenants]:
    keys = {"a": SecretStr(base64.b64encode(os.urandom(32)).decode())}
    settings = payments_settings(tmp_path, temporal_port).model_copy(
        update={"encryption_keys": keys, "tenant_keys": True, "payload_threshold_bytes": 4096}
    )
    async with serve_tenants(settings) as tenants:
        yield tenants


async def installation_of(tenants: TwoTenants, *names: str) -> Installation:
    """Return what these tenants have once all of it is listed."""
    installation = Installation(tenants, {}, {}, {})
    labels = {"tags": [tenants.admin.settings.task_queue]}  # other tests use the same tenants
    for name in names:
        api = tenants.of(name)
        async with api.worker(echo):
            text = SECRET + os.urandom(6_000).hex()  # stored outside of history
            body = {"input": text, "user": "ada", "metadata": {"note": SECRET}, **labels}
            installation.ended[name] = await api.submit(**body)
            await api.task(installation.ended[name], wait=WITHIN)
            talks = Talks(api)
            conversation = await talks.create(title=SECRET, **labels)
            await talks.say(conversation, SECRET)
            installation.conversations[name] = conversation["id"]
        async with api.worker(by_step(pay_call())):
            task_id = await api.submit(agent=None, agent_spec=clerk(), input=SECRET, **labels)
            installation.waiting[name] = task_id
            await eventually(lambda api=api, task_id=task_id: api.task(task_id), _is_waiting)  # type: ignore[misc]
        await api.listed(3, **installation.tag)
    return installation


def _is_waiting(task: dict[str, Any]) -> bool:
    return bool(task["input_requests"])


async def test_a_destroyed_tenant_is_erased_everywhere_and_the_other_is_untouched(tenants: TwoTenants) -> None:
    installation = await installation_of(tenants, "acme", "globex")
    acme, globex, admin = tenants.acme, tenants.globex, tenants.admin
    before = await _shown(installation, globex)
    stored = await _payloads(installation, installation.ids("acme"))
    scratch = _scratch_file(installation, installation.ended["acme"])
    assert [SECRET.encode() in each for each in await _decoded(installation, stored)].count(True) > 8

    assert await installation.destroy("acme") == 2  # the waiting task and the conversation

    assert not any(SECRET.encode() in each for each in await _decoded(installation, stored))
    assert not scratch.exists()
    for harness in (acme, admin):
        await _check_routes(installation, harness)
    page = await acme.get("/tasks", **installation.tag)
    assert {task["title"] for task in page["tasks"]} == {"[erased]"}
    assert {task["status"] for task in page["tasks"]} == {"completed", "terminated"}
    for path in ("/tasks", "/conversations"):
        [listed] = [each for each in (await admin.get(path, **installation.tag)).values() if isinstance(each, list)]
        erased = [each for each in listed if each["id"] in installation.ids("acme")]
        assert 0 < len(erased) < len(listed)
        assert SECRET not in json.dumps(erased)
    assert SECRET not in json.dumps(await acme.get("/input-requests"))
    await _check_grpc(installation)
    assert await _shown(installation, globex) == before

    async with acme.worker(echo):
        again = await acme.submit(input="Hello")
        assert (await acme.task(again, wait=WITHIN))["output"] == "Hello"
    assert key_reference(again) not in {None, *map(key_reference, installation.ids("acme"))}


async def test_a_user_is_erased_alone_and_a_task_that_starts_without_its_key_fails(tenants: TwoTenants) -> None:
    installation = await installation_of(tenants, "acme")
    acme = tenants.acme
    assert await installation.destroy("acme", "ada") == 0
    assert (await acme.http.get(f"/api/v1/tasks/{installation.ended['acme']}")).status_code == 410
    assert SECRET in str((await acme.task(installation.waiting["acme"]))["input"])

    queued = await acme.submit(input=SECRET, user="bob")
    [key] = (await installation.codec.tenant_keys.owned_by("acme", "bob")).keys
    await installation.codec.tenant_keys.destroy(key)  # and nothing is terminated
    handle = acme.temporal.get_workflow_handle(queued)

    async def status() -> WorkflowExecutionStatus | None:
        return (await handle.describe()).status

    async with acme.worker(echo):
        assert await eventually(status, lambda shown: shown == WorkflowExecutionStatus.FAILED)


async def test_erasures_go_on_without_the_key_and_what_it_erased_can_be_deleted(tenants: TwoTenants) -> None:
    installation = await installation_of(tenants, "acme")
    acme = tenants.acme
    ended, waiting = installation.ended["acme"], installation.waiting["acme"]
    conversation = installation.conversations["acme"]
    assert (await acme.http.delete(f"/api/v1/tasks/{ended}")).json()["status"] == "erasing"  # no worker runs
    assert await installation.destroy("acme") == 2
    assert await installation.destroy("acme") == 0  # as after an interruption
    response = await acme.http.delete(f"/api/v1/tasks/{waiting}")
    assert (response.status_code, response.json()["status"]) == (202, "erasing")
    shown = (await acme.http.get(f"/api/v1/conversations/{conversation}")).json()["detail"]
    assert shown.endswith("the key of its tenant or user was destroyed. DELETE deletes what is left of it.")
    response = await acme.http.delete(f"/api/v1/conversations/{conversation}")
    assert (response.status_code, response.json()["status"]) == (202, "erasing")
    assert (await acme.http.get(f"/api/v1/conversations/{conversation}")).json()["type"].endswith("conversation-erased")
    assert (await acme.http.get(f"/api/v1/tasks/{waiting}")).json()["type"].endswith("task-erased")

    async def owners() -> str:
        payloads = installation.tenants.admin.settings.data_dir / "payloads"
        return "".join(path.read_text() for path in payloads.glob("*/*/owner.json"))

    assert ended in await owners()
    async with acme.worker(echo):
        await eventually(owners, lambda text: not any(each in text for each in installation.ids("acme")))
        for workflow_id in (ended, waiting, conversation):
            history = await acme.temporal.get_workflow_handle(workflow_id).fetch_history()
            assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in {event.event_type for event in history.events}


async def test_files_that_can_not_be_deleted_are_named_and_a_second_run_deletes_them(tenants: TwoTenants) -> None:
    acme = tenants.acme
    async with acme.worker(echo):
        task_id = await acme.submit(input=SECRET + os.urandom(6_000).hex())
        await acme.task(task_id, wait=WITHIN)
    installation = Installation(tenants, {"acme": task_id}, {}, {})
    files = _scratch_file(installation, task_id).parent
    kept = files.rename(files.with_name("kept"))
    files.symlink_to(kept)  # rmtree refuses that
    assert [str(files) in problem for problem in await installation.problems("acme")] == [True]
    assert (await acme.http.get(f"/api/v1/tasks/{task_id}")).status_code == 410
    files.unlink()
    kept.rename(files)
    assert await installation.problems("acme") == ()
    assert not files.exists()


async def _shown(installation: Installation, api: ApiHarness) -> list[Any]:
    """Return what a tenant sees of its own: tasks, lists, transcripts."""
    async with api.worker(echo):
        await api.until_worker_polls()
        task_id, conversation = installation.ended["globex"], installation.conversations["globex"]
        paths = (f"/tasks/{task_id}", f"/tasks/{task_id}/transcript", f"/conversations/{conversation}")
        titles = {task["title"] for task in (await api.get("/tasks", **installation.tag))["tasks"]}
        return [titles, *[await api.get(path) for path in paths]]


async def _check_routes(installation: Installation, api: ApiHarness) -> None:
    """Check that every GET route of the erased tasks and conversations says that they were erased."""
    tried = 0
    for path, methods in installation.tenants.app.openapi()["paths"].items():
        if "get" not in methods or not ("{task_id}" in path or "{conversation_id}" in path):
            continue
        for task_id in (installation.ended["acme"], installation.waiting["acme"]):
            values = {"task_id": task_id, "conversation_id": installation.conversations["acme"]}
            values |= {"call_id": "call_1", "path": "out.csv", "input_request_id": "none"}
            url = path
            for name, value in values.items():
                url = url.replace(f"{{{name}}}", value)
            response = await api.http.get(url)
            assert response.status_code == 410, f"{path}: {response.status_code} {response.text[:500]}"
            assert response.json()["type"] == "urn:opspawn:problem:erased"
            tried += 1
    assert tried >= 16


async def _payloads(installation: Installation, ids: set[str]) -> list[Payload]:
    """Return all payloads in the histories and memos of workflows, as Temporal has them."""
    client = installation.tenants.admin.temporal
    found: list[Payload] = []
    for workflow_id in ids:
        handle = client.get_workflow_handle(workflow_id)
        found += (await handle.describe()).raw_info.memo.fields.values()
        async for event in handle.fetch_history_events():
            _collect(event, found)
    return found


def _collect(message: Any, found: list[Payload]) -> None:
    if isinstance(message, Payload):
        found.append(message)
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        is_map = field.message_type.GetOptions().map_entry
        for each in value.values() if is_map else value if field.is_repeated else [value]:
            if hasattr(each, "ListFields"):
                _collect(each, found)


async def _decoded(installation: Installation, payloads: list[Payload]) -> list[bytes]:
    """Return the data of payloads as the codec server shows it."""
    sent = [
        {
            "metadata": {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()},
            "data": base64.b64encode(payload.data).decode(),
        }
        for payload in payloads
        if payload.metadata.get("encoding") == ENCRYPTED
    ]
    response = await installation.tenants.admin.http.post("/codec/decode", json={"payloads": sent})
    assert response.status_code == 200, response.text
    return [base64.b64decode(payload["data"]) for payload in response.json()["payloads"]]


async def _check_grpc(installation: Installation) -> None:
    stub = TaskServiceStub(installation.tenants.channel)
    request = tasks_pb2.GetTaskRequest(task_id=installation.ended["acme"])
    refused = await failure(stub.GetTask(request, metadata=installation.tenants.metadata("acme")))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "ERASED")


def _scratch_file(installation: Installation, task_id: str) -> Path:
    """Write a file as a tool does that a task runs."""
    payloads = installation.tenants.admin.settings.data_dir / "payloads"
    [owner] = [path for path in payloads.glob("*/*/owner.json") if task_id in path.read_text()]
    (owner.parent / "files").mkdir()
    (owner.parent / "files" / "notes.txt").write_text(SECRET)
    return owner.parent / "files" / "notes.txt"
