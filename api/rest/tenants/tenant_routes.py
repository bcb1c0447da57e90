"""The route of what a tenant has spent: ``/api/v1/tenants/{tenant}/usage``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from agentkit.access.api_keys import TenantName
from api.rest.access.route_roles import VIEWER
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.tenants.tenant_schemas import TenantUsageResponse
from api.services import request_services

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["tenants"], responses=PROBLEM_RESPONSES, dependencies=[VIEWER])


_Tenant = Annotated[TenantName, Path(description="The tenant's name.")]


@router.get("/tenants/{tenant}/usage", operation_id="getTenantUsage")
async def get_tenant_usage(request: Request, tenant: _Tenant) -> TenantUsageResponse:
    """Show what a tenant has spent today (UTC), how many of its tasks run or wait, and its limits."""
    return TenantUsageResponse.of(await request_services(request).tenants.get(tenant))
