from __future__ import annotations

import asyncio

import pytest
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.service import RPCError

from api.events.task_history import TaskHistory
from tests.unit.api.events.scripted_temporal import TASK_ID, TIMEOUT_S, ScriptedTemporal


@pytest.fixture
def temporal() -> ScriptedTemporal:
    return ScriptedTemporal()


@pytest.fixture
def history(temporal: ScriptedTemporal) -> TaskHistory:
    return TaskHistory(temporal.client(), TASK_ID)


async def run_ids(temporal: ScriptedTemporal, history: TaskHistory, *first_run_ids: str) -> list[str]:
    newest = await temporal.client().get_workflow_handle(TASK_ID).describe()
    return await history.run_ids(newest, first_run_ids)


async def test_runs_are_found_back_to_the_first(temporal: ScriptedTemporal, history: TaskHistory) -> None:
    temporal.start_run()
    temporal.start_run()
    assert await run_ids(temporal, history) == list(temporal.runs)


async def test_runs_that_were_found_before_are_not_requested_again(
    temporal: ScriptedTemporal, history: TaskHistory
) -> None:
    for _ in range(3):
        temporal.start_run()
    first, second, third, newest = temporal.runs
    assert await run_ids(temporal, history, first, second, third) == [first, second, third, newest]
    assert temporal.calls["get_workflow_execution_history"] == 1


async def test_runs_that_temporal_has_deleted_are_left_out(temporal: ScriptedTemporal, history: TaskHistory) -> None:
    for _ in range(2):
        temporal.start_run()
    first, second, newest = temporal.runs
    del temporal.runs[first]
    assert await run_ids(temporal, history) == [second, newest]


async def test_runs_that_a_reset_has_abandoned_are_left_out(temporal: ScriptedTemporal, history: TaskHistory) -> None:
    temporal.start_run()
    first, abandoned = temporal.runs
    temporal.start_run()
    started = temporal.runs[temporal.run_id][0].workflow_execution_started_event_attributes
    started.continued_execution_run_id = first
    assert await run_ids(temporal, history, first, abandoned) == [first, temporal.run_id]


async def test_pages_have_all_events_of_a_run_and_end(temporal: ScriptedTemporal, history: TaskHistory) -> None:
    for number in range(7):
        temporal.plan(str(number))
    pages = [page async for page in history.pages(temporal.run_id, wait=False)]
    assert [event.event_id for page in pages for event in page] == list(range(1, 9))
    assert len(pages) == 3


async def test_waiting_pages_have_later_events_until_the_run_is_closed(
    temporal: ScriptedTemporal, history: TaskHistory
) -> None:
    async def read() -> list[int]:
        return [event.event_id async for page in history.pages(temporal.run_id, wait=True) for event in page]

    reading = asyncio.create_task(read())
    for number in range(3):
        await temporal.until(lambda: temporal.long_polls == 1)
        temporal.plan(str(number))
    temporal.cancel_task()
    assert await asyncio.wait_for(reading, TIMEOUT_S) == [1, 2, 3, 4, 5]


async def test_pending_activities_are_those_of_the_run(temporal: ScriptedTemporal, history: TaskHistory) -> None:
    temporal.pending = [PendingActivityInfo(activity_id="a", attempt=2)]
    assert [each.activity_id for each in await history.pending_activities(temporal.run_id)] == ["a"]


async def test_errors_are_temporals_own(temporal: ScriptedTemporal, history: TaskHistory) -> None:
    temporal.fail()
    with pytest.raises(RPCError, match="tcp connect error"):
        await history.pending_activities(temporal.run_id)
