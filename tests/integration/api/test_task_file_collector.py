"""Files of tasks are deleted soon after the task was erased, a while after another has ended, and not before."""

from __future__ import annotations

import base64
import os
import uuid
from pathlib import Path

from pydantic import SecretStr
from temporalio.client import Client

from activities.storage.task_file_store import TaskFileStore
from activities.temporal.data_converter import data_converter
from activities.temporal.encryption.encrypted_payloads import id_suffix
from activities.temporal.encryption.payload_encryption import PayloadEncryption
from activities.temporal.payload_storage import payload_directory
from activities.temporal.task_file_collector import TaskFileCollector
from agentkit.interfaces import FileChanges, NewFile
from tests.integration.api.conftest import ApiHarness, eventually
from tests.integration.api.talks import Talks, accepted

OTHER = "a-task-of-another-server"


async def publish(store: TaskFileStore, *task_ids: str) -> None:
    for task_id in task_ids:
        await store.publish(task_id, "c1", FileChanges({"a": NewFile(b"1")}), lambda before, after: "")


async def left(store: TaskFileStore, *task_ids: str) -> list[str]:
    return [task_id for task_id in task_ids if (await store.snapshot(task_id)).files]


async def test_files_of_ended_tasks_are_deleted_after_their_time(harness: ApiHarness) -> None:
    payloads = harness.settings.data_dir / "payloads"
    store = TaskFileStore(payloads, harness.temporal.namespace)
    running, ended = [await harness.submit(input="x") for _ in range(2)]
    await harness.http.post(f"/api/v1/tasks/{ended}/terminate")
    await publish(store, running, ended, OTHER)

    assert await TaskFileCollector(harness.temporal, payloads, keep_s=3600).collect() == 0
    assert await TaskFileCollector(harness.temporal, payloads, keep_s=0).collect() == 1

    assert await left(store, running, ended, OTHER) == [running, OTHER]


async def test_files_of_erased_tasks_and_conversations_on_the_disk_of_another_worker_are_deleted_at_once(
    harness: ApiHarness, tmp_path: Path
) -> None:
    disk = tmp_path / "disk-of-another-worker"
    store, talks = TaskFileStore(disk, harness.temporal.namespace), Talks(harness)
    ended, erased = [await harness.submit(input="x") for _ in range(2)]
    for task_id in (ended, erased):
        await harness.http.post(f"/api/v1/tasks/{task_id}/terminate")
    async with talks.worker():
        conversation, other = await talks.create(), await talks.create()
        turn, other_turn = [(await talks.say(talk, "Hello"))["id"] for talk in (conversation, other)]
        task_ids = (ended, erased, turn, other_turn, OTHER)
        await publish(store, *task_ids)
        accepted(await harness.http.delete(f"/api/v1/tasks/{erased}"), 202)
        accepted(await talks.request("DELETE", f"/{conversation['id']}"), 202)
    collector = TaskFileCollector(harness.temporal, disk, keep_s=3600)
    counts = []

    async def remaining() -> list[str]:
        counts.append(await collector.collect())
        return await left(store, *task_ids)

    await eventually(remaining, lambda ids: ids == [ended, other_turn, OTHER])
    assert sum(counts) == 2
    assert not (disk / payload_directory(harness.temporal.namespace, erased)).exists()


async def test_files_of_tasks_whose_key_was_destroyed_are_deleted_at_once(harness: ApiHarness) -> None:
    keys = {"a": SecretStr(base64.b64encode(os.urandom(32)).decode())}
    settings = harness.settings.model_copy(update={"encryption_keys": keys, "tenant_keys": True})
    client = Client(harness.temporal.service_client, data_converter=data_converter(settings))
    codec = client.data_converter.payload_codec
    assert isinstance(codec, PayloadEncryption)
    store = TaskFileStore(settings.data_dir / "payloads", client.namespace)
    of_ada, of_bob = [f"task-{uuid.uuid4().hex}{await id_suffix(client, 'acme', user)}" for user in ("ada", "bob")]
    await publish(store, of_ada, of_bob)
    for key in (await codec.tenant_keys.owned_by("acme", "ada")).keys:
        await codec.tenant_keys.destroy(key)
    assert await TaskFileCollector(client, settings.data_dir / "payloads", keep_s=3600).collect() == 1
    assert await left(store, of_ada, of_bob) == [of_bob]
