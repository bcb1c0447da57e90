"""Files of tasks are deleted a while after the task has ended, and not before."""

from __future__ import annotations

from activities.storage.task_file_store import TaskFileStore
from activities.temporal.task_file_collector import TaskFileCollector
from agentkit.interfaces import FileChanges, NewFile
from tests.integration.api.conftest import ApiHarness


async def test_files_of_ended_tasks_are_deleted_after_their_time(harness: ApiHarness) -> None:
    payloads = harness.settings.data_dir / "payloads"
    store = TaskFileStore(payloads, harness.temporal.namespace)
    running, ended = [await harness.submit(input="x") for _ in range(2)]
    await harness.http.post(f"/api/v1/tasks/{ended}/terminate")
    for task_id in (running, ended, "a-task-of-another-server"):
        await store.publish(task_id, "c1", FileChanges({"a": NewFile(b"1")}), lambda before, after: "")

    assert await TaskFileCollector(harness.temporal, payloads, keep_s=3600).collect() == 0
    assert await TaskFileCollector(harness.temporal, payloads, keep_s=0).collect() == 1

    left = [
        task_id for task_id in (running, ended, "a-task-of-another-server") if (await store.snapshot(task_id)).files
    ]
    assert left == [running, "a-task-of-another-server"]
