"""Report what each model request of a tenant with daily limits has spent, from the worker that made it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.memory.memory_payloads import ExtractionResult
from activities.payload_types import CompactedTranscript, ModelReply
from activities.settings import Settings
from activities.tenants.tenant_settings import TenantSettings, tenant_settings
from activities.tenants.tenant_usage import (
    ADD_USAGE,
    TENANT_USAGE_TYPE,
    TenantDay,
    TenantTotal,
    UsageEntry,
    UsageReport,
    end_of_day,
    tenant_usage_id,
)
from agentkit.interfaces import DEFAULT_TENANT
from agentkit.messages import Usage
from workflows.search_attributes import TENANT

__all__ = ["UsageReporting", "usage_reporting"]

logger = logging.getLogger(__name__)

_TIMEOUT = timedelta(seconds=3)
_SEND_TIMEOUT_S = 10.0
"""Limit of a signal with what it stores and encrypts."""
_RETRY_INTERVAL_S = 2.0
"""What can't be sent is sent again after that time, or with the next entry."""
_FLUSH_TIMEOUT_S = 5.0
"""How long a worker that stops sends what waits."""
_MAX_TASKS = 2_000
_MAX_UNSENT = 1_000
"""Entries that wait for Temporal; the oldest are dropped."""
_MAX_AGE = timedelta(days=1)
"""Entries are dropped when their day ended that long ago: their day's total is closed."""
_BEFORE_TASKS = Priority(priority_key=1)
"""A tenant's usage is added up before its tasks get workers."""


def usage_reporting(client: Client, settings: Settings) -> Sequence[SimplePlugin]:
    """Return what reports the usage of tenants with daily limits; nothing where the settings have none."""
    if not any(each.has_daily_limit for each in settings.tenants.values()):
        return ()
    reporting = UsageReporting(client, settings.tenants, settings.task_queue)
    return (SimplePlugin("opspawn.usage", interceptors=[reporting], run_context=reporting.running),)


@dataclass(frozen=True, slots=True)
class _Unsent:
    task_id: str
    day: date
    """The day (UTC) in which the attempt started, by Temporal's clock."""
    entry: UsageEntry


class UsageReporting(Interceptor):
    """Signals usage to the workflow of tenant and day, which the first signal starts.

    Attempts only put an entry into a queue; one background task sends what waits. So no attempt waits for a report, or
    fails by one.
    """

    def __init__(
        self,
        client: Client,
        table: Mapping[str, TenantSettings],
        task_queue: str,
        *,
        retry_interval_s: float = _RETRY_INTERVAL_S,
    ) -> None:
        self._client = client
        self._retry_interval_s = retry_interval_s
        self._table = table
        self._task_queue = task_queue
        self._tenants: OrderedDict[str, str] = OrderedDict()
        """The tenants of the newest tasks, by the tasks' ids."""
        self._unsent: dict[str, _Unsent] = {}
        """By the entry's id; an entry is removed when Temporal has it."""
        self._added = asyncio.Event()
        self._is_failing = False

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Report each attempt of an activity that has requested a model."""
        return _CountedActivities(next, self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send entries meanwhile, and what waits at the end, within 5 s."""
        sending = asyncio.create_task(self._send_always())
        try:
            yield
        finally:
            sending.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                    await asyncio.wait((sending,))
                    await self._send_unsent()
            if self._unsent:
                logger.warning("What %d model requests have spent is not counted: this worker ends", len(self._unsent))

    def on_result(self, result: object) -> None:
        """Queue the usage in an activity's result, within that activity. It never raises."""
        try:
            usage, info = _usage(result), activity.info()
            if usage is not None and info.workflow_id is not None:
                entry = UsageEntry(id=_attempt_id(info), spent=TenantTotal.of(usage))
                day = info.started_time.astimezone(UTC).date()
                self._unsent[entry.id] = _Unsent(info.workflow_id, day, entry)
                while len(self._unsent) > _MAX_UNSENT:
                    del self._unsent[next(iter(self._unsent))]
                self._added.set()
        except Exception:  # the request is made and paid: its response must not be lost
            logger.exception("What a model request has spent is not counted")

    async def _send_always(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._retry_interval_s if self._unsent else None):
                    await self._added.wait()
            self._added.clear()
            await self._send_unsent()

    async def _send_unsent(self) -> None:
        """Send what waits: a signal for each tenant and day. What can't be sent stays."""
        batches: dict[tuple[str, date], list[UsageEntry]] = {}
        for unsent in list(self._unsent.values()):
            try:
                tenant = await self._tenant(unsent.task_id)
            except Exception as error:
                self._on_failure(error)
                if self._unsent.pop(unsent.entry.id, None):
                    self._unsent[unsent.entry.id] = unsent  # others come first next time
                break
            if tenant is None or not tenant_settings(self._table, tenant).has_daily_limit:
                self._unsent.pop(unsent.entry.id, None)
            else:
                batches.setdefault((tenant, unsent.day), []).append(unsent.entry)
        await asyncio.gather(*(self._send_batch(*key, entries) for key, entries in batches.items()))
        if not self._unsent:
            self._is_failing = False

    async def _send_batch(self, tenant: str, day: date, entries: Sequence[UsageEntry]) -> None:
        """Send entries, and remove them; keep them if that fails, unless the day's total is closed."""
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await self._send(tenant, day, entries)
        except WorkflowAlreadyStartedError:
            logger.warning("%d model requests of tenant %s are not counted: %s is over", len(entries), tenant, day)
        except Exception as error:
            self._on_failure(error)
            if datetime.now(UTC) < end_of_day(day) + _MAX_AGE:
                return
        for entry in entries:
            self._unsent.pop(entry.id, None)

    def _on_failure(self, error: Exception) -> None:
        level = logging.DEBUG if self._is_failing else logging.WARNING
        logger.log(level, "What model requests have spent is not counted yet: %s", str(error) or type(error).__name__)
        self._is_failing = True

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

    async def _send(self, tenant: str, day: date, entries: Sequence[UsageEntry]) -> None:
        await self._client.start_workflow(
            TENANT_USAGE_TYPE,
            TenantDay(tenant=tenant, day=day),
            id=tenant_usage_id(self._task_queue, tenant, day),
            task_queue=self._task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,  # the total of a day that is over stays
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
        """Run an attempt, and queue what it has spent."""
        result = await self.next.execute_activity(input)
        self._reporting.on_result(result)
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
