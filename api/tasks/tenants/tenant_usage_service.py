"""What a tenant has spent today, read from Temporal without a worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from activities.temporal.client import temporal_address
from activities.temporal.temporal_clock import temporal_now
from activities.tenants.tenant_settings import TenantSettings, tenant_settings
from activities.tenants.tenant_usage import MEMO_TENANT_USAGE, TenantTotal, end_of_day, tenant_usage_id
from api.tasks.temporal_calls import RPC_TIMEOUT, calling_temporal
from api.tasks.visibility.task_visibility import memo_value
from api.tasks.visibility.tenant_access import require_tenant
from api.tasks.visibility.visibility_text import quoted
from workflows.search_attributes import TENANT
from workflows.task_types import WORKFLOW_TYPE

__all__ = ["TenantUsageService", "TenantUsageSnapshot"]


@dataclass(frozen=True, slots=True)
class TenantUsageSnapshot:
    """A tenant's usage of today, and its limits."""

    tenant: str
    day: date
    """Today in UTC, by Temporal's clock."""
    resets_at: datetime
    running_tasks: int
    """Tasks that run or wait."""
    total: TenantTotal | None
    """None: the tenant has no daily limit, so that its usage isn't counted."""
    limits: TenantSettings


class TenantUsageService:
    """Reads the usage of tenants: of the tasks of one task queue, as limits are about those."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._address = temporal_address(settings)
        self._table = settings.tenants
        self._task_queue = settings.task_queue

    def limits(self, tenant: str) -> TenantSettings:
        """Return the settings of a tenant."""
        return tenant_settings(self._table, tenant)

    async def get(self, tenant: str) -> TenantUsageSnapshot:
        """Return a tenant's usage of today.

        Raises:
            TenantNotFound: it isn't the current principal's, who is no administrator.
            TemporalUnreachable, TemporalNotReady: Temporal doesn't respond, or isn't set up.
        """
        require_tenant(tenant)
        async with calling_temporal(self._address):
            day = await self.today()
            running = await self.running_tasks(tenant)
            total = await self.spent(tenant, day) if self.limits(tenant).has_daily_limit else None
        return TenantUsageSnapshot(tenant, day, end_of_day(day), running, total, self.limits(tenant))

    async def today(self) -> date:
        """Return the day in UTC, by Temporal's clock.

        Raises:
            RPCError: Temporal refuses or doesn't respond; so in the methods below.
        """
        return (await temporal_now(self._client)).date()

    async def seconds_left(self, day: date) -> float:
        """Return the seconds until a day ends; at least one."""
        return max(1.0, (end_of_day(day) - await temporal_now(self._client)).total_seconds())

    async def running_tasks(self, tenant: str) -> int:
        """Return how many tasks of a tenant run or wait; Temporal's count is a moment late."""
        terms = (
            f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'",
            f"{TENANT.name} = {quoted(tenant)} AND TaskQueue = {quoted(self._task_queue)}",
        )
        return (await self._client.count_workflows(" AND ".join(terms), rpc_timeout=RPC_TIMEOUT)).count

    async def spent(self, tenant: str, day: date) -> TenantTotal:
        """Return what a tenant has spent in a day, as far as workers have reported it."""
        handle = self._client.get_workflow_handle(tenant_usage_id(self._task_queue, tenant, day))
        try:
            execution = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND and not error.message.startswith("Namespace "):
                return TenantTotal()
            raise
        total = await memo_value(execution, MEMO_TENANT_USAGE, required=True)
        return TenantTotal() if total is None else TenantTotal.model_validate(total)
