"""Workers report what the model requests of tenants with daily limits have spent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.payload_types import ModelReply
from activities.tenants.tenant_settings import TenantSettings
from activities.tenants.tenant_usage import ADD_USAGE, TENANT_USAGE_TYPE, TenantTotal, UsageReport, tenant_usage_id
from agentkit.interfaces import ModelResponse
from agentkit.messages import Message, TextPart, Usage
from agentkit.testing import ScriptedModel
from tests.integration.api.conftest import eventually
from tests.polling import eventually_found
from tests.workflows.usage_totals import reported_total
from workflows.tenants.usage_reporting import UsageReporting

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

LIMITED: Any = {"tenants": {"default": TenantSettings(max_tokens_a_day=1_000_000)}}
OF_ANOTHER: Any = {"tenants": {"acme": TenantSettings(max_tokens_a_day=1)}}


Fault = Callable[[], Awaitable[None]]


class ReportFaults(Interceptor):
    """Has faults in reports, one each: before they reach Temporal or, of ``late``, before the response arrives."""

    def __init__(self, *early: Fault, late: Fault | None = None) -> None:
        self.early = list(early)
        self.late = late

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        faults = self

        class Outbound(OutboundInterceptor):
            async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
                if input.workflow != TENANT_USAGE_TYPE:
                    return await super().start_workflow(input)
                if faults.early:
                    await faults.early.pop(0)()
                    return await super().start_workflow(input)
                handle = await super().start_workflow(input)
                if faults.late is not None:
                    late, faults.late = faults.late, None
                    await late()
                return handle

        return Outbound(next)


async def lose() -> None:
    raise RPCError("lost", RPCStatusCode.UNAVAILABLE, b"")


def failing(has_failed: asyncio.Event) -> Fault:
    async def fail() -> None:
        has_failed.set()
        raise OSError("The payload can't be stored.")

    return fail


def response(tokens: int) -> ModelResponse:
    message = Message(role="assistant", parts=(TextPart(text="Done."),), model="scripted:m")
    usage = Usage(input_tokens=tokens, output_tokens=1, cost_usd=0.25, model_calls=1)
    return ModelResponse(message=message, stop_reason="end", usage=usage)


def own_day(env: TaskEnvironment, day: date | None = None) -> WorkflowHandle[Any, Any]:
    day = day or datetime.now(UTC).date()
    return env.client.get_workflow_handle(tenant_usage_id(env.settings.task_queue, "default", day))


async def counted(env: TaskEnvironment, model_calls: int) -> TenantTotal:
    return await eventually(lambda: reported_total(own_day(env)), lambda found: found.model_calls == model_calls)


async def test_each_model_request_is_counted_once_although_reports_are_lost(env: TaskEnvironment) -> None:
    faults = ReportFaults(lose, late=lose)
    async with env.with_interceptor(faults).worker(ScriptedModel([response(n) for n in (10, 20, 30)]), **LIMITED):
        for _ in range(3):
            await env.run("Hello")
        assert await counted(env, 3) == TenantTotal(tokens=63, cost_usd=0.75, model_calls=3)
    assert (faults.early, faults.late) == ([], None)
    await own_day(env).terminate()


async def test_a_report_that_hangs_delays_no_task_and_is_counted_later(env: TaskEnvironment) -> None:
    released = asyncio.Event()

    async def hang() -> None:
        await released.wait()

    async with env.with_interceptor(ReportFaults(hang)).worker(ScriptedModel([response(1)] * 2), **LIMITED):
        await env.run("Hello")
        await env.run("Hello")
        assert (await reported_total(own_day(env))).model_calls == 0
        released.set()
        await counted(env, 2)
    await own_day(env).terminate()


async def test_a_report_that_fails_in_any_way_fails_no_task_and_is_sent_when_the_worker_stops(
    env: TaskEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    failed = asyncio.Event()
    with caplog.at_level(logging.WARNING, "workflows.tenants"):
        async with env.with_interceptor(ReportFaults(failing(failed))).worker(ScriptedModel([response(1)]), **LIMITED):
            await env.run("Hello")
            await asyncio.wait_for(failed.wait(), 20)
    assert "not counted yet: The payload can't be stored." in caplog.text
    async with env.worker(ScriptedModel([])):
        await counted(env, 1)
    await own_day(env).terminate()


async def test_a_request_counts_in_the_day_in_which_it_started_also_when_its_report_is_sent_again(
    env: TaskEnvironment,
) -> None:
    yesterday, today = (datetime.now(UTC) - timedelta(days=days) for days in (1, 0))
    task, failed = await env.start("Hello"), asyncio.Event()
    client = env.with_interceptor(ReportFaults(failing(failed))).client
    reporting = UsageReporting(client, LIMITED["tenants"], env.settings.task_queue, retry_interval_s=0.01)
    async with reporting.running():
        await attempted(reporting, task.id, yesterday, response(10))
        await eventually_found(lambda: has_started(env, yesterday.date()))
        assert failed.is_set()
        await attempted(reporting, task.id, today, response(20), attempt=2)
    for started, tokens in ((yesterday, 11), (today, 21)):
        (report,) = await reports(env, started.date())
        assert [entry.spent.tokens for entry in report.entries] == [tokens]
        await own_day(env, started.date()).terminate()
    await task.terminate()


async def test_the_total_of_a_day_that_is_over_stays_as_it_is(
    env: TaskEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    task, started = await env.start("Hello"), datetime(2026, 1, 1, 12, tzinfo=UTC)
    reporting = UsageReporting(env.client, LIMITED["tenants"], env.settings.task_queue)
    async with reporting.running():
        await attempted(reporting, task.id, started, response(10))
    async with env.worker(ScriptedModel(["Done."])):
        assert (await env.result(own_day(env, started.date())))["tokens"] == 11  # type: ignore[index]
    async with reporting.running():
        await attempted(reporting, task.id, started, response(20), attempt=2)
    assert "1 model requests of tenant default are not counted: 2026-01-01 is over" in caplog.text
    assert (await reported_total(own_day(env, started.date()))).tokens == 11


async def test_what_tenants_without_daily_limits_spend_is_not_counted(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([response(10)]), **OF_ANOTHER):
        await env.run("Hello")
    with pytest.raises(RPCError, match="not found"):
        await own_day(env).describe()


async def attempted(
    reporting: UsageReporting, task_id: str, started: datetime, response: ModelResponse, attempt: int = 1
) -> None:
    """Run an attempt that has started at that time."""

    class Attempt(ActivityInboundInterceptor):
        def __init__(self) -> None: ...

        async def execute_activity(self, input: ExecuteActivityInput) -> ModelReply:
            return ModelReply(response=response)

    environment = ActivityEnvironment()
    environment.info = replace(environment.info, workflow_id=task_id, started_time=started, attempt=attempt)
    run = reporting.intercept_activity(Attempt()).execute_activity
    await environment.run(run, ExecuteActivityInput(fn=lambda: None, args=[], executor=None, headers={}))


async def has_started(env: TaskEnvironment, day: date) -> bool:
    try:
        await own_day(env, day).describe()
    except RPCError:
        return False
    return True


async def reports(env: TaskEnvironment, day: date) -> list[UsageReport]:
    """Return what the workflow of a day was signaled."""
    converter = env.client.data_converter
    signals = [
        event.workflow_execution_signaled_event_attributes
        for event in (await own_day(env, day).fetch_history()).events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    assert {signal.signal_name for signal in signals} == {ADD_USAGE}
    return [(await converter.decode(list(signal.input.payloads), [UsageReport]))[0] for signal in signals]
