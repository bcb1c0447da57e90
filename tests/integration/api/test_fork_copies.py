"""Copies for forks: those of a fork that was not started are deleted, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.storage.content_storage import ContentStorage
from activities.temporal.payload_storage import payload_directory
from activities.tenants.tenant_settings import TenantSettings
from agentkit.messages import Message, StoredContent, ToolResult, user_message
from api.tasks.errors import PayloadUnavailable, TemporalUnreachable, TenantLimited
from api.tasks.forks.fork_copies import ForkCopies
from api.tasks.task_workflows import TaskWorkflows
from tests.integration.api.conftest import ApiHarness

NEW_ID = "task-of-a-fork"


def copies(api: ApiHarness, **settings: object) -> ForkCopies:
    changed = api.settings.model_copy(update=settings)
    return ForkCopies(api.temporal, changed, TaskWorkflows(api.temporal, changed))


def directory_of(api: ApiHarness, task_id: str) -> Path:
    return api.settings.data_dir / "payloads" / payload_directory(api.temporal.namespace, task_id)


async def refuse_start(api: ApiHarness, fork_id: str, *, has_key: bool) -> bool:
    """Copy for a fork that can't be started; return whether the copies are left."""

    async def fail_to_start() -> None:
        async with copies(api).copied(fork_id, [user_message("Hello")], has_key=has_key) as copied:
            assert [page.end for page in copied.pages] == [1]
            assert directory_of(api, fork_id).exists()
            raise TemporalUnreachable("127.0.0.1:1", "gone")

    with pytest.raises(TemporalUnreachable):
        await fail_to_start()
    return directory_of(api, fork_id).exists()


async def test_copies_of_a_fork_that_was_not_started_are_deleted_if_no_other_request_can_start_it(
    harness: ApiHarness,
) -> None:
    assert not await refuse_start(harness, NEW_ID, has_key=False)
    assert await refuse_start(harness, NEW_ID, has_key=True)


async def test_copies_of_a_fork_that_was_started_whatever_its_request_got_stay(harness: ApiHarness) -> None:
    started = await harness.submit()
    assert await refuse_start(harness, started, has_key=False)
    await harness.http.post(f"/api/v1/tasks/{started}/terminate")
    await harness.http.delete(f"/api/v1/tasks/{started}")
    assert not await refuse_start(harness, started, has_key=True), "it was erased meanwhile"


async def test_a_content_that_cannot_be_read_is_an_error_and_leaves_no_copies(harness: ApiHarness) -> None:
    storage = ContentStorage(harness.temporal)
    contents = [await storage.write(task, b"long", media_type="text/plain") for task in ("task-kept", "task-gone")]
    for file in directory_of(harness, "task-gone").iterdir():
        file.unlink()
    with pytest.raises(PayloadUnavailable, match="is missing"):
        async with copies(harness).copied(NEW_ID, [*map(result, contents)], has_key=False):
            pass
    assert not directory_of(harness, NEW_ID).exists()


def result(content: StoredContent) -> Message:
    return Message(role="tool", parts=(ToolResult(call_id="c", name="look", content="short", whole=content),))


async def test_a_tenant_at_its_limit_copies_nothing(harness: ApiHarness) -> None:
    tag = harness.settings.task_queue
    await harness.submit(tags=[tag])
    await harness.listed(1, tag=tag)
    limited = copies(harness, tenants={"default": TenantSettings(max_running_tasks=1)})
    with pytest.raises(TenantLimited):
        async with limited.copied(NEW_ID, [user_message("Hello")], has_key=True):
            pass
    assert not directory_of(harness, NEW_ID).exists()
