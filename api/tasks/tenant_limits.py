"""A tenant's share of the workers, and its limit of running tasks."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.common import Priority

from activities.settings import Settings
from activities.tenant_settings import tenant_settings
from agentkit.interfaces import DEFAULT_TENANT
from api.tasks.errors import TenantLimited
from api.tasks.temporal_calls import RPC_TIMEOUT
from api.tasks.tenant_access import own_tenant
from api.tasks.visibility_text import quoted
from workflows.search_attributes import TENANT
from workflows.task_types import WORKFLOW_TYPE

__all__ = ["TenantLimits"]


class TenantLimits:
    """The settings of tenants, for what the current principal starts. A limit is about the tasks of one task queue."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._table = settings.tenants
        self._task_queue = settings.task_queue

    def priority(self) -> Priority:
        """Return the priority of a new workflow, which its activities and children inherit.

        That of the default tenant is Temporal's own, unless it has another weight: it costs nothing in the history.
        """
        tenant = own_tenant()
        weight = tenant_settings(self._table, tenant).weight
        if tenant == DEFAULT_TENANT and weight == 1:
            return Priority.default
        return Priority(fairness_key=tenant, fairness_weight=None if weight == 1 else weight)

    async def check(self) -> None:
        """Check that the tenant may start a task; ask Temporal only where it has a limit.

        Temporal's visibility is a moment late, so that requests of the same second may exceed the limit.

        Raises:
            TenantLimited: as many tasks as it may have are running.
            RPCError: Temporal refuses or doesn't respond.
        """
        tenant = own_tenant()
        limit = tenant_settings(self._table, tenant).max_running_tasks
        if limit is None:
            return
        terms = (
            f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'",
            f"{TENANT.name} = {quoted(tenant)} AND TaskQueue = {quoted(self._task_queue)}",
        )
        if (await self._client.count_workflows(" AND ".join(terms), rpc_timeout=RPC_TIMEOUT)).count >= limit:
            raise TenantLimited(tenant, limit)
