"""An idempotency key starts one workflow, whatever happens to the keys of tenants meanwhile."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from activities.temporal.encryption.encrypted_payloads import key_reference
from activities.temporal.encryption.payload_encryption import PayloadEncryption
from activities.temporal.encryption.tenant_encryption_keys import TenantEncryptionKeys
from api.tasks.starting.idempotency_keys import IdempotencyKeys
from api.tasks.starting.task_start import task_id_for_key
from api.tasks.task_workflows import TaskWorkflows
from tests.integration.api.conftest import ApiHarness, eventually, serve_rest, settings_for
from workflows.task_types import WORKFLOW_TYPE

PATHS = ("tasks", "conversations")


@dataclass(frozen=True)
class Apis:
    """APIs of one installation."""

    on: ApiHarness
    """With keys of tenants."""
    other: ApiHarness
    """So, too, in a process of its own."""
    off: ApiHarness
    """Without."""

    @property
    def key(self) -> str:
        return self.on.settings.task_queue

    async def request(self, api: ApiHarness, path: str = "tasks", key: str = "", **body: Any) -> httpx2.Response:
        """Send the same request with the same key."""
        text = {"input": "Hello"} if path == "tasks" else {"message": "Hello"}
        headers = {"Idempotency-Key": self.key + key}
        return await api.http.post(f"/api/v1/{path}", json={"agent": "assistant", **text, **body}, headers=headers)


@pytest.fixture
async def apis(tmp_path: Path, temporal_port: int) -> AsyncIterator[Apis]:
    keys = {"a": SecretStr(base64.b64encode(os.urandom(32)).decode())}
    off = settings_for(tmp_path, temporal_port).model_copy(update={"encryption_keys": keys})
    on = off.model_copy(update={"tenant_keys": True})
    async with AsyncExitStack() as stack:
        one, other, without = [await stack.enter_async_context(serve_rest(each)) for each in (on, on, off)]
        yield Apis(one, other, without)


def tenant_keys(api: ApiHarness) -> TenantEncryptionKeys:
    codec = api.temporal.data_converter.payload_codec
    assert isinstance(codec, PayloadEncryption)
    return codec.tenant_keys


async def destroy_key(api: ApiHarness) -> None:
    """Destroy the keys as another process does, without a termination of what runs."""
    for key in (await tenant_keys(api).owned_by("default")).keys:
        await tenant_keys(api).destroy(key)


@pytest.mark.parametrize("path", PATHS)
async def test_after_its_tenant_s_key_was_destroyed_a_key_starts_nothing_again(apis: Apis, path: str) -> None:
    first = await apis.request(apis.on, path)
    assert first.status_code == 201, first.text
    await destroy_key(apis.on)
    assert (await apis.request(apis.on, path)).status_code == 410
    after = await apis.request(apis.on, path, key=" of another")
    assert after.status_code == 201
    assert key_reference(after.json()["id"]) != key_reference(first.json()["id"])


@pytest.mark.parametrize("path", PATHS)
async def test_a_key_starts_one_when_the_setting_is_turned_on_or_off(apis: Apis, path: str) -> None:
    for first, second in ((apis.on, apis.off), (apis.off, apis.on)):
        key = " on" if first is apis.on else " off"
        started, again = [await apis.request(api, path, key=key) for api in (first, second)]
        assert (started.status_code, again.status_code) == (201, 200), again.text
        assert started.json()["id"] == again.json()["id"]


async def test_apis_that_disagree_about_the_current_key_start_one(apis: Apis) -> None:
    await apis.request(apis.other, key=" first")  # now it has the key cached
    await destroy_key(apis.on)
    old = await tenant_keys(apis.other).id_suffix("default", None)
    assert old != await tenant_keys(apis.on).id_suffix("default", None)
    started = await apis.request(apis.on)
    again = await apis.request(apis.other)
    assert (started.status_code, again.status_code) == (201, 200)
    assert started.json()["id"] == again.json()["id"]
    await apis.request(apis.other, key=" second")
    assert (await apis.request(apis.on, key=" second")).status_code == 410


async def test_many_requests_at_once_to_different_apis_start_one(apis: Apis) -> None:
    for round_ in range(5):
        key = f" round {round_}"
        responses = await asyncio.gather(
            *[apis.request(api, key=key) for api in (apis.on, apis.off, apis.other, apis.off, apis.on)]
        )
        # A 409 says that the request of another API is just starting the task; the request is repeated then.
        assert {response.status_code for response in responses} <= {200, 201, 409}
        ids = {(await apis.request(api, key=key)).json()["id"] for api in (apis.on, apis.off, apis.other)}
        ids |= {response.json()["id"] for response in responses if response.status_code != 409}
        assert len(ids) == 1
        assert [response.status_code for response in responses].count(201) == 1


async def test_a_task_that_was_recorded_and_not_started_keeps_its_id_and_is_erased_with_its_key(apis: Apis) -> None:
    keys = IdempotencyKeys(apis.on.temporal, TaskWorkflows(apis.on.temporal, apis.on.settings))
    suffix = await tenant_keys(apis.on).id_suffix("default", None)
    recorded = [await keys.find(task_id_for_key(apis.key + key), "", suffix) for key in (" first", " second")]
    started = await apis.request(apis.off, key=" first")
    assert (started.status_code, started.json()["id"]) == (201, recorded[0].workflow_id)
    await destroy_key(apis.on)
    refused = await apis.request(apis.on, key=" second")
    assert (refused.status_code, refused.json()["type"]) == (410, "urn:opspawn:problem:task-erased")


async def test_a_task_is_found_when_its_record_is_gone(apis: Apis) -> None:
    base_id = task_id_for_key(apis.key)
    task_id = base_id + await tenant_keys(apis.on).id_suffix("default", None)
    queue = apis.on.settings.task_queue
    await apis.on.temporal.start_workflow(WORKFLOW_TYPE, id=task_id, task_queue=queue)  # and no record
    await apis.on.temporal.start_workflow(WORKFLOW_TYPE, id=f"{task_id}-part", task_queue=queue)
    keys = IdempotencyKeys(apis.off.temporal, TaskWorkflows(apis.off.temporal, apis.off.settings))

    async def found() -> str:
        return (await keys.find(base_id, "", "")).workflow_id

    assert await eventually(found, lambda workflow_id: workflow_id != base_id) == task_id


async def test_a_record_ends_by_itself_and_is_no_task(apis: Apis) -> None:
    task_id = (await apis.request(apis.on)).json()["id"]
    base_id = task_id.partition(".")[0]
    assert (await apis.on.http.get(f"/api/v1/tasks/{base_id}")).status_code == 404

    async def is_closed() -> bool:
        return (await apis.on.temporal.get_workflow_handle(base_id).describe()).close_time is not None

    assert await eventually(is_closed, bool)
    assert (await apis.request(apis.on)).json()["id"] == task_id
