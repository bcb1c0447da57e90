from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from temporalio.api.common.v1 import Payloads
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.converter import DataConverter

from agentkit.messages import ToolCall
from agentkit.specs import ToolSpec
from api.events.event import Event
from api.events.pending_calls import PendingModelCall, PendingToolCall
from api.events.retry_watcher import RetryWatcher
from api.events.task_history import TaskHistory
from tests.unit.api.events.scripted_temporal import TASK_ID, TIMEOUT_S, ScriptedTemporal

MODEL_CALL = PendingModelCall("model-1-0", 1, "demo:demo")
TOOL_CALL = PendingToolCall("c", 1, ToolCall(id="c", name="look"), ToolSpec(name="look", description="", parameters={}))
NEXT_ATTEMPT = datetime(2026, 11, 21, 20, 0, 5, tzinfo=UTC)


def activity(activity_id: str, attempt: int) -> PendingActivityInfo:
    info = PendingActivityInfo(activity_id=activity_id, attempt=attempt, maximum_attempts=4)
    info.last_failure.message = "Not now."
    info.last_failure.application_failure_info.type = "ToolUnavailable"
    info.next_attempt_schedule_time.FromDatetime(NEXT_ATTEMPT)
    return info


@pytest.fixture
def temporal() -> ScriptedTemporal:
    return ScriptedTemporal()


@pytest.fixture
def published() -> asyncio.Queue[Event]:
    return asyncio.Queue()


@pytest.fixture
async def watcher(temporal: ScriptedTemporal, published: asyncio.Queue[Event]) -> AsyncIterator[RetryWatcher]:
    """It runs, and polls every few milliseconds."""
    history = TaskHistory(temporal.client(), TASK_ID)
    watcher = RetryWatcher(history, published.put_nowait, first_poll_delay_s=0.001)
    running = asyncio.create_task(watcher.run())
    yield watcher
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def polls(temporal: ScriptedTemporal, count: int) -> None:
    """Wait until ``count`` more polls have started, so that all but the last have been handled."""
    before = temporal.calls["describe_workflow_execution"]
    await temporal.until(lambda: temporal.calls["describe_workflow_execution"] >= before + count)


async def test_a_call_that_is_retried_is_published_once_for_each_attempt(
    temporal: ScriptedTemporal, watcher: RetryWatcher, published: asyncio.Queue[Event]
) -> None:
    temporal.pending = [activity("c", 1)]
    watcher.update_pending(temporal.run_id, {"c": TOOL_CALL})
    await polls(temporal, 2)
    assert published.empty()
    for attempt in (2, 3):
        temporal.pending = [activity("c", attempt)]
        event = await asyncio.wait_for(published.get(), TIMEOUT_S)
        assert (event.type, event.step, event.position) == ("tool.retrying", 1, None)
        assert event.data == {
            "attempt": attempt,
            "max_attempts": 4,
            "error": {"type": "ToolUnavailable", "message": "Not now."},
            "next_attempt_at": "2026-11-21T20:00:05Z",
            "call": {"type": "tool_call", "id": "c", "name": "look", "arguments": {}},
        }
        assert watcher.current() == [event]
        await polls(temporal, 3)
        assert published.empty()


async def test_a_retried_model_call_has_its_model(
    temporal: ScriptedTemporal, watcher: RetryWatcher, published: asyncio.Queue[Event]
) -> None:
    temporal.pending = [activity(MODEL_CALL.activity_id, 2)]
    watcher.update_pending(temporal.run_id, {MODEL_CALL.activity_id: MODEL_CALL})
    event = await asyncio.wait_for(published.get(), TIMEOUT_S)
    assert (event.type, event.data["model"]) == ("model.retrying", "demo:demo")


async def test_a_call_that_has_ended_is_no_longer_current(
    temporal: ScriptedTemporal, watcher: RetryWatcher, published: asyncio.Queue[Event]
) -> None:
    temporal.pending = [activity("c", 2)]
    watcher.update_pending(temporal.run_id, {"c": TOOL_CALL})
    await asyncio.wait_for(published.get(), TIMEOUT_S)
    watcher.update_pending(temporal.run_id, {})
    assert watcher.current() == []


async def test_temporal_is_not_polled_without_pending_calls(temporal: ScriptedTemporal, watcher: RetryWatcher) -> None:
    watcher.update_pending(temporal.run_id, {"c": TOOL_CALL})
    await polls(temporal, 1)
    watcher.update_pending(temporal.run_id, {})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(polls(temporal, 1), 0.05)


async def test_a_failure_that_can_not_be_read_is_published_with_the_reason_and_polling_goes_on(
    temporal: ScriptedTemporal, watcher: RetryWatcher, published: asyncio.Queue[Event]
) -> None:
    unreadable, readable = activity("c", 2), activity("d", 2)
    unreadable.last_failure.application_failure_info.details.payloads.add(
        metadata={"encoding": b"json/plain"}, data=b"{"
    )
    temporal.pending = [unreadable, readable]
    watcher.update_pending(temporal.run_id, {"c": TOOL_CALL, "d": replace(TOOL_CALL, activity_id="d")})
    errors = [(await asyncio.wait_for(published.get(), TIMEOUT_S)).data["error"] for _ in range(2)]
    assert isinstance(errors[0], dict)
    assert "could not be converted" in str(errors[0].pop("unreadable"))
    assert errors == [
        {"type": "Unknown", "message": "Its failure can't be read."},
        {"type": "ToolUnavailable", "message": "Not now."},
    ]


async def test_polling_continues_after_an_error_of_any_kind(
    temporal: ScriptedTemporal, watcher: RetryWatcher, published: asyncio.Queue[Event]
) -> None:
    broken = activity("c", 2)
    broken.next_attempt_schedule_time.seconds = 2**60  # no time that Python can represent
    temporal.pending = [broken]
    watcher.update_pending(temporal.run_id, {"c": TOOL_CALL})
    await polls(temporal, 2)
    temporal.pending = [activity("c", 2)]
    assert (await asyncio.wait_for(published.get(), TIMEOUT_S)).type == "tool.retrying"


async def test_polling_continues_after_an_outage(
    temporal: ScriptedTemporal, watcher: RetryWatcher, published: asyncio.Queue[Event]
) -> None:
    temporal.fail()
    watcher.update_pending(temporal.run_id, {"c": TOOL_CALL})
    await polls(temporal, 2)
    temporal.pending = [activity("c", 2)]
    temporal.recover()
    assert (await asyncio.wait_for(published.get(), TIMEOUT_S)).type == "tool.retrying"


async def test_each_new_report_of_a_running_tool_is_published_once(
    temporal: ScriptedTemporal, watcher: RetryWatcher, published: asyncio.Queue[Event]
) -> None:
    info = PendingActivityInfo(activity_id="c", attempt=1)
    temporal.pending = [info]
    watcher.update_pending(temporal.run_id, {"c": TOOL_CALL})
    for text in ("begun", "half"):
        payloads = DataConverter.default.payload_converter.to_payloads([{"text": text, "fraction": 0.5}])
        info.heartbeat_details.CopyFrom(Payloads(payloads=payloads))
        event = await asyncio.wait_for(published.get(), TIMEOUT_S)
        assert (event.type, event.step, event.position) == ("tool.progress", 1, None)
        assert event.data == {
            "call": {"type": "tool_call", "id": "c", "name": "look", "arguments": {}},
            "text": text,
            "fraction": 0.5,
        }
        await polls(temporal, 3)
        assert published.empty()
    info.heartbeat_details.payloads[0].data = b'{"of": "another program"}'
    await polls(temporal, 3)
    assert published.empty()
