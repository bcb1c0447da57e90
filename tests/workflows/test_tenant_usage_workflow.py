"""The usage of a tenant's day: exact with repeated reports, new workers and continue-as-new."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from temporalio.client import WorkflowHandle

from activities.tenants.tenant_settings import TenantSettings
from activities.tenants.tenant_usage import (
    ADD_USAGE,
    TENANT_USAGE_TYPE,
    TenantDay,
    TenantTotal,
    UsageEntry,
    UsageReport,
)
from agentkit.testing import ScriptedModel
from tests.integration.api.conftest import eventually
from tests.workflows.usage_totals import reported_total
from workflows.search_attributes import TENANT

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

LIMITED = {"tenants": {"default": TenantSettings(max_tokens_a_day=1_000_000)}}
TODAY = datetime.now(UTC).date()


def entry(id: str, tokens: int) -> UsageEntry:
    return UsageEntry(id=id, spent=TenantTotal(tokens=tokens, model_calls=1))


async def start(env: TaskEnvironment, day: date = TODAY, *entries: UsageEntry) -> WorkflowHandle[Any, Any]:
    return await env.client.start_workflow(
        TENANT_USAGE_TYPE,
        TenantDay(tenant="acme", day=day),
        id=f"usage-{uuid.uuid4().hex}",
        task_queue=env.settings.task_queue,
        start_signal=ADD_USAGE,
        start_signal_args=[UsageReport(entries=entries)],
    )


async def test_repeated_entries_count_once_also_after_another_worker_took_over(env: TaskEnvironment) -> None:
    handle = await start(env, TODAY, entry("a", 5), entry("b", 7))
    async with env.worker(ScriptedModel([])):
        await eventually(lambda: reported_total(handle), lambda found: found.tokens == 12)
    await handle.signal(ADD_USAGE, UsageReport(entries=(entry("b", 7), entry("c", 1))))
    async with env.worker(ScriptedModel([])):
        found = await eventually(lambda: reported_total(handle), lambda found: found.tokens != 12)
        assert found == TenantTotal(tokens=13, model_calls=3)
        assert (await handle.describe()).typed_search_attributes.get(TENANT) == "acme"
    await handle.terminate()


async def test_the_next_run_knows_total_and_entries(env: TaskEnvironment) -> None:
    carried = TenantDay(tenant="acme", day=TODAY, total=TenantTotal(tokens=12, model_calls=2), entry_ids=("a", "b"))
    handle = await env.client.start_workflow(
        TENANT_USAGE_TYPE, carried, id=f"usage-{uuid.uuid4().hex}", task_queue=env.settings.task_queue
    )
    await handle.signal(ADD_USAGE, UsageReport(entries=(entry("b", 7), entry("c", 1))))
    async with env.worker(ScriptedModel([])):
        assert await eventually(lambda: reported_total(handle), lambda found: found.tokens > 0) == TenantTotal(
            tokens=13, model_calls=3
        )
    await handle.terminate()


async def test_it_continues_as_new_without_a_change_of_its_total(each_step_env: TaskEnvironment) -> None:
    env = each_step_env
    handle = await start(env, TODAY, entry("0", 1))
    async with env.worker(ScriptedModel([])):
        first = (await handle.describe()).run_id
        for number in range(1, 6):
            before = entry(str(number - 1), 1)
            await handle.signal(ADD_USAGE, UsageReport(entries=(before, entry(str(number), 1))))
            total = await eventually(lambda: reported_total(handle), partial(has_calls, number + 1))
            assert total.tokens == number + 1
        described = await handle.describe()
        assert described.run_id != first
        assert described.typed_search_attributes.get(TENANT) == "acme"
    await handle.terminate()


def has_calls(count: int, total: TenantTotal) -> bool:
    return total.model_calls >= count


async def test_it_ends_after_its_day_with_what_was_reported_late(env: TaskEnvironment) -> None:
    handle = await start(env, date(2026, 1, 1), entry("a", 5))
    async with env.worker(ScriptedModel([])):
        assert (await env.result(handle))["tokens"] == 5  # type: ignore[index]
