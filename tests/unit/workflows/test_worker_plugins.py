from __future__ import annotations

from typing import Any

import pytest

from activities.settings import Settings
from activities.tenants.tenant_settings import TenantSettings
from workflows.worker_plugins import worker_plugins


@pytest.mark.parametrize(
    ("tenants", "names"),
    [
        ({}, []),
        ({"acme": TenantSettings(max_running_tasks=5)}, []),
        ({"acme": TenantSettings(max_tokens_a_day=5)}, ["opspawn.usage"]),
        ({"*": TenantSettings(max_cost_usd_a_day=5)}, ["opspawn.usage"]),
    ],
    ids=["no tenants", "no daily limit", "tokens", "cost"],
)
def test_workers_report_usage_only_where_a_tenant_has_a_daily_limit(
    tenants: dict[str, TenantSettings], names: list[str]
) -> None:
    client: Any = None  # nothing is sent yet
    assert [plugin.name() for plugin in worker_plugins(client, Settings(tenants=tenants))] == names
