"""Add up what a tenant spends in a day, durably."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.tenants.tenant_usage import (
        ADD_USAGE,
        MEMO_TENANT_USAGE,
        TENANT_USAGE_TYPE,
        TenantDay,
        TenantTotal,
        UsageReport,
        end_of_day,
    )
    from workflows.search_attributes import TENANT
    from workflows.target_version import TargetVersion

__all__ = ["TenantUsageWorkflow"]

_MAX_ENTRY_IDS = 1_000
"""A repeated entry comes within seconds, so the newest ids suffice."""
_LATE_REPORTS = timedelta(hours=1)
"""How long after midnight the workflow ends."""


@workflow.defn(name=TENANT_USAGE_TYPE)
class TenantUsageWorkflow:
    """Keeps a tenant's total of one day in its memo, and ends after that day.

    Workers signal it with each model request. Its history is bounded: it continues as new when Temporal suggests it,
    and on another version of the workers when that is to run new tasks.
    """

    @workflow.init
    def __init__(self, day: TenantDay) -> None:
        self._day = day
        self._target = TargetVersion()
        self._total = day.total
        self._entry_ids = dict.fromkeys(day.entry_ids)
        self._listed: TenantTotal | None = day.total if day.entry_ids else None

    @workflow.run
    async def run(self, day: TenantDay) -> TenantTotal:
        """Return the day's total when the day is over."""
        if self._listed is None:
            workflow.upsert_search_attributes([TENANT.value_set(day.tenant)])
        remaining = end_of_day(day.day) + _LATE_REPORTS - workflow.now()
        ending = asyncio.create_task(workflow.sleep(max(remaining, timedelta()), summary="The day is over"))
        while True:
            await workflow.wait_condition(
                lambda: self._total != self._listed or self._target.is_changed or ending.done()
            )
            if self._total != self._listed or self._target.is_changed:
                self._list()
            elif ending.done():
                return self._total

    @workflow.signal(name=ADD_USAGE)
    def add_usage(self, report: UsageReport) -> None:
        """Add what is spent; an entry that came before counts no second time."""
        for entry in report.entries:
            if entry.id not in self._entry_ids:
                self._entry_ids[entry.id] = None
                self._total += entry.spent
        for oldest in list(self._entry_ids)[:-_MAX_ENTRY_IDS]:
            del self._entry_ids[oldest]

    @workflow.signal
    def upgrade(self) -> None:
        """Wake an idle workflow: it moves to the target version of the workers, by continuing as new."""
        self._target.allow_move()

    def _list(self) -> None:
        """Put the total into the memo, of this run or of the next."""
        memo = {MEMO_TENANT_USAGE: self._total}
        if workflow.info().is_continue_as_new_suggested() or self._target.is_changed:
            carried = self._day.model_copy(update={"total": self._total, "entry_ids": tuple(self._entry_ids)})
            behavior = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE if self._target.is_changed else None
            workflow.continue_as_new(carried, memo=memo, initial_versioning_behavior=behavior)
        workflow.upsert_memo(memo)
        self._listed = self._total
