"""Report what each model request of a tenant with daily limits has spent, from the worker that made it."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.common import Priority
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.memory.memory_payloads import ExtractionResult
from activities.payload_types import CompactedTranscript, ModelReply
from activities.settings import Settings
from activities.tenant_settings import TenantSettings, tenant_settings
from activities.tenant_usage import (
    ADD_USAGE,
    TENANT_USAGE_TYPE,
    TenantDay,
    TenantTotal,
    UsageEntry,
    UsageReport,
    tenant_usage_id,
)
from agentkit.interfaces import DEFAULT_TENANT
from agentkit.messages import Usage
from workflows.search_attributes import TENANT

__all__ = ["UsageReporting", "usage_reporting"]

logger = logging.getLogger(__name__)

_TIMEOUT = timedelta(seconds=3)
_MAX_TASKS = 2_000
_MAX_UNSENT = 1_000
"""Entries that wait for Temporal; the oldest are dropped."""
_BEFORE_TASKS = Priority(priority_key=1)
"""A tenant's usage is added up before its tasks get workers."""


def usage_reporting(client: Client, settings: Settings) -> Sequence[SimplePlugin]:
    """Return what reports the usage of tenants with daily limits; nothing where the settings have none."""
    if not any(each.has_daily_limit for each in settings.tenants.values()):
        return ()
    reporting = UsageReporting(client, settings.tenants, settings.task_queue)
    return (SimplePlugin("opspawn.usage", interceptors=[reporting]),)


class UsageReporting(Interceptor):
    """Signals usage to the workflow of tenant and day, which the first signal starts. A failure fails no task."""

    def __init__(self, client: Client, table: Mapping[str, TenantSettings], task_queue: str) -> None:
        self._client = client
        self._table = table
        self._task_queue = task_queue
        self._tenants: OrderedDict[str, str] = OrderedDict()
        """The tenants of the newest tasks, by the tasks' ids."""
        self._unsent: list[tuple[str, UsageEntry]] = []
        """What isn't reported yet, with the id of its task."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Report each attempt of an activity that has requested a model."""
        return _CountedActivities(next, self)

    async def on_result(self, result: object) -> None:
        """Report the usage in an activity's result, within that activity; and what could not be reported before."""
        usage, info = _usage(result), activity.info()
        if usage is None or info.workflow_id is None:
            return
        waiting = [*self._unsent, (info.workflow_id, UsageEntry(id=_attempt_id(info), spent=TenantTotal.of(usage)))]
        self._unsent = []
        try:
            await self._report(waiting)
        except (RPCError, RuntimeError) as error:  # a client that has lost its connection raises the latter
            logger.warning("What a task has spent is not counted yet: %s", error)
            self._unsent = [*waiting, *self._unsent][-_MAX_UNSENT:]

    async def _report(self, waiting: Sequence[tuple[str, UsageEntry]]) -> None:
        entries: dict[str, list[UsageEntry]] = {}
        for task_id, entry in waiting:
            if (tenant := await self._tenant(task_id)) is not None:
                entries.setdefault(tenant, []).append(entry)
        for tenant, spent in entries.items():
            if tenant_settings(self._table, tenant).has_daily_limit:
                await self._send(tenant, spent)

    async def _tenant(self, task_id: str) -> str | None:
        """Return the tenant of a task, None if it was deleted; Temporal is asked once for each task."""
        if (known := self._tenants.get(task_id)) is None:
            try:
                described = await self._client.get_workflow_handle(task_id).describe(rpc_timeout=_TIMEOUT)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
                raise
            known = self._tenants[task_id] = described.typed_search_attributes.get(TENANT) or DEFAULT_TENANT
            while len(self._tenants) > _MAX_TASKS:
                self._tenants.popitem(last=False)
        return known

    async def _send(self, tenant: str, entries: Sequence[UsageEntry]) -> None:
        day = datetime.now(UTC).date()
        await self._client.start_workflow(
            TENANT_USAGE_TYPE,
            TenantDay(tenant=tenant, day=day),
            id=tenant_usage_id(self._task_queue, tenant, day),
            task_queue=self._task_queue,
            start_signal=ADD_USAGE,
            start_signal_args=[UsageReport(entries=tuple(entries))],
            static_summary=f"Usage of tenant {tenant} on {day}",
            priority=_BEFORE_TASKS,
            rpc_timeout=_TIMEOUT,
        )


class _CountedActivities(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, reporting: UsageReporting) -> None:
        super().__init__(next)
        self._reporting = reporting

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Run an attempt, and report what it has spent before Temporal gets its result."""
        result = await self.next.execute_activity(input)
        await self._reporting.on_result(result)
        return result


def _usage(result: object) -> Usage | None:
    """Return what an activity has spent; None where it is none that requests models."""
    match result:
        case ModelReply():
            return result.response.usage
        case CompactedTranscript() | ExtractionResult():
            return result.usage
    return None


def _attempt_id(info: activity.Info) -> str:
    text = "\0".join(map(str, (info.workflow_id, info.workflow_run_id, info.activity_id, info.attempt)))
    return sha256(text.encode()).hexdigest()[:24]
