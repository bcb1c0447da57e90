"""What the workflow of a tenant's day has added up."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from activities.tenants.tenant_usage import MEMO_TENANT_USAGE, TenantTotal

__all__ = ["reported_total"]


async def reported_total(handle: WorkflowHandle[Any, Any]) -> TenantTotal:
    """Return the total in the memo; nothing where no usage is reported."""
    try:
        described = await handle.describe()
    except RPCError:
        return TenantTotal()
    return await described.memo_value(MEMO_TENANT_USAGE, TenantTotal(), type_hint=TenantTotal)
