from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Memo, SearchAttributes
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.converter import encode_search_attributes

from activities.settings import Settings
from api.events.status_feed import StatusFeed
from api.tasks.errors import TemporalUnreachable
from tests.unit.api.events.scripted_temporal import TIMEOUT_S, ScriptedTemporal, payload
from workflows.search_attributes import AGENT, MEMO_TITLE, STATUS

RUNNING = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
COMPLETED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED


def execution(
    task_id: str, status: str, temporal_status: WorkflowExecutionStatus.ValueType = RUNNING
) -> WorkflowExecutionInfo:
    attributes = SearchAttributes()
    pairs = [SearchAttributePair(STATUS, status), SearchAttributePair(AGENT, "assistant")]
    encode_search_attributes(TypedSearchAttributes(pairs), attributes)
    info = WorkflowExecutionInfo(
        status=temporal_status, search_attributes=attributes, memo=Memo(fields={MEMO_TITLE: payload("Hello")})
    )
    info.execution.workflow_id = task_id
    return info


@pytest.fixture
def temporal() -> ScriptedTemporal:
    return ScriptedTemporal()


@pytest.fixture
async def feed(temporal: ScriptedTemporal, tmp_path: Path) -> AsyncIterator[StatusFeed]:
    async def clock(client: Client) -> datetime:
        return datetime.now(UTC)

    feed = StatusFeed(temporal.client(), Settings(data_dir=tmp_path), poll_interval_s=0.001, clock=clock)
    yield feed
    await feed.aclose()


async def next_poll(temporal: ScriptedTemporal) -> None:
    """Wait until visibility is polled."""
    polls = temporal.calls["list_workflow_executions"]
    await temporal.until(lambda: temporal.calls["list_workflow_executions"] > polls)


async def test_new_tasks_and_changed_statuses_are_events(temporal: ScriptedTemporal, feed: StatusFeed) -> None:
    temporal.executions = [execution("old", "running")]
    async with asyncio.timeout(TIMEOUT_S), aclosing(await feed.watch()) as changes:
        temporal.executions = [execution("old", "running"), execution("new", "queued")]
        created = await anext(changes)
        temporal.executions = [execution("old", "completed", COMPLETED), execution("new", "queued")]
        completed = await anext(changes)
    assert (created.type, created.task_id, created.position) == ("task.status", "new", None)
    assert created.data == {"status": "queued", "agent": "assistant", "title": "Hello"}
    assert (completed.task_id, completed.data["status"]) == ("old", "completed")


async def test_watchers_share_the_polls_which_end_with_the_last(temporal: ScriptedTemporal, feed: StatusFeed) -> None:
    async with (
        asyncio.timeout(TIMEOUT_S),
        aclosing(await feed.watch()) as first,
        aclosing(await feed.watch()) as second,
    ):
        changes = asyncio.gather(anext(first), anext(second))
        await asyncio.sleep(0)
        temporal.executions = [execution("new", "queued")]
        assert [event.task_id for event in await changes] == ["new", "new"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(next_poll(temporal), 0.05)


async def test_changes_during_an_outage_are_published_after_it(temporal: ScriptedTemporal, feed: StatusFeed) -> None:
    async with asyncio.timeout(TIMEOUT_S), aclosing(await feed.watch()) as changes:
        change = asyncio.ensure_future(anext(changes))
        temporal.fail()
        await next_poll(temporal)
        temporal.executions = [execution("new", "running")]
        temporal.recover()
        assert (await change).task_id == "new"


async def test_a_task_whose_memo_can_not_be_read_is_published_with_the_reason(
    temporal: ScriptedTemporal, feed: StatusFeed
) -> None:
    async with asyncio.timeout(TIMEOUT_S), aclosing(await feed.watch()) as changes:
        damaged, other = execution("damaged", "queued"), execution("other", "queued")
        damaged.memo.fields[MEMO_TITLE].data = b"{"
        temporal.executions = [damaged, other]
        events = [await anext(changes), await anext(changes)]
    assert (events[0].task_id, events[0].data["title"]) == ("damaged", "")
    assert "could not be converted" in str(events[0].data["unreadable"])
    assert events[1].data == {"status": "queued", "agent": "assistant", "title": "Hello"}


async def test_polling_goes_on_after_an_error_of_any_kind(
    temporal: ScriptedTemporal, feed: StatusFeed, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(TIMEOUT_S), aclosing(await feed.watch()) as changes:
        change = asyncio.ensure_future(anext(changes))
        broken = execution("broken", "queued")
        broken.close_time.seconds = 2**60  # no time that Python can represent
        temporal.executions = [broken]
        await next_poll(temporal)
        await next_poll(temporal)
        await next_poll(temporal)
        temporal.executions = [execution("new", "queued")]
        assert (await change).task_id == "new"
    assert len(caplog.records) == 1, "each failed poll was logged"


async def test_without_temporal_the_first_watcher_is_refused(temporal: ScriptedTemporal, feed: StatusFeed) -> None:
    temporal.fail()
    with pytest.raises(TemporalUnreachable):
        await feed.watch()
