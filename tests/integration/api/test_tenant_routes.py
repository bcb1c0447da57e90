"""What a tenant has spent is shown to the tenant and to administrators."""

from __future__ import annotations

from pathlib import Path

from activities.tenants.tenant_settings import TenantSettings
from tests.integration.api.conftest import settings_for
from tests.integration.api.mcp_workers import problem
from tests.integration.api.two_tenants import serve_tenants


async def test_usage_is_for_the_tenant_and_administrators(tmp_path: Path, temporal_port: int) -> None:
    limits = {"acme": TenantSettings(max_tokens_a_day=40, max_cost_usd_a_day=5)}
    settings = settings_for(tmp_path, temporal_port).model_copy(update={"tenants": limits})
    async with serve_tenants(settings) as tenants:
        assert (await tenants.of("acme", "viewer").get("/tenants/acme/usage"))["tokens"] == 0
        assert (await tenants.admin.get("/tenants/acme/usage"))["max_cost_usd_a_day"] == 5
        assert (await tenants.globex.get("/tenants/globex/usage"))["tokens"] is None
        for name in ("acme", "nobody"):
            response = await tenants.globex.http.get(f"/api/v1/tenants/{name}/usage")
            assert problem(response, 404, "tenant-not-found")["detail"] == f"There is no tenant {name!r}."
        assert (await tenants.admin.http.get("/api/v1/tenants/a%27%20OR/usage")).status_code == 422
