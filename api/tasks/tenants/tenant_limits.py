"""A tenant's share of the workers, and its limits: of running tasks, and of what it spends in a day."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.common import Priority

from activities.settings import Settings
from agentkit.interfaces import DEFAULT_TENANT
from api.tasks.errors import TenantLimited, TenantSpent
from api.tasks.tenants.tenant_usage_service import TenantUsageService
from api.tasks.visibility.tenant_access import own_tenant

__all__ = ["TenantLimits"]


class TenantLimits:
    """The settings of tenants, for what the current principal starts. A limit is about the tasks of one task queue."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._usage = TenantUsageService(client, settings)

    def priority(self) -> Priority:
        """Return the priority of a new workflow, which its activities and children inherit.

        That of the default tenant is Temporal's own, unless it has another weight: it costs nothing in the history.
        """
        tenant = own_tenant()
        weight = self._usage.limits(tenant).weight
        if tenant == DEFAULT_TENANT and weight == 1:
            return Priority.default
        return Priority(fairness_key=tenant, fairness_weight=None if weight == 1 else weight)

    async def check(self, *, starts_task: bool = True) -> None:
        """Check that the tenant may start a task, or go on with one that runs; ask Temporal only where it has a limit.

        Temporal's visibility is a moment late, so that requests of the same second may exceed the limit; and what
        running tasks spend may exceed a limit of the day.

        Raises:
            TenantLimited: as many tasks as it may have are running.
            TenantSpent: it has spent what it may spend in a day.
            RPCError: Temporal refuses or doesn't respond.
        """
        tenant = own_tenant()
        limits = self._usage.limits(tenant)
        if limits.has_daily_limit:
            await self._check_day(tenant)
        limit = limits.max_running_tasks
        if limit is not None and starts_task and await self._usage.running_tasks(tenant) >= limit:
            raise TenantLimited(tenant, limit)

    async def _check_day(self, tenant: str) -> None:
        limits, day = self._usage.limits(tenant), await self._usage.today()
        total = await self._usage.spent(tenant, day)
        tokens, cost = limits.max_tokens_a_day, limits.max_cost_usd_a_day
        if tokens is not None and total.tokens >= tokens:
            spent, setting = f"{total.tokens:,} tokens of the {tokens:,}", "max_tokens_a_day"
        elif cost is not None and total.cost_usd >= cost:
            spent, setting = f"{total.cost_usd:,.4f} US dollars of the {cost:,.4f}", "max_cost_usd_a_day"
        else:
            return
        raise TenantSpent(tenant, spent, setting, await self._usage.seconds_left(day))
