from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from activities.tenants.tenant_settings import TenantSettings
from activities.tenants.tenant_usage import TenantTotal
from api.rest.tenants.tenant_schemas import TenantUsageResponse
from api.tasks.tenants.tenant_usage_service import TenantUsageSnapshot


@pytest.mark.parametrize(
    ("total", "tokens"),
    [(TenantTotal(), 0), (None, None)],
    ids=["nothing is spent", "nothing is counted"],
)
def test_nothing_spent_is_zero_and_nothing_counted_is_null(total: TenantTotal | None, tokens: int | None) -> None:
    resets_at, limits = datetime(2026, 11, 29, tzinfo=UTC), TenantSettings(max_running_tasks=2)
    usage = TenantUsageSnapshot("acme", date(2026, 11, 28), resets_at, 1, total, limits)
    response = TenantUsageResponse.of(usage)
    assert (response.tokens, response.unpriced_calls) == (tokens, tokens)
    assert (response.max_running_tasks, response.max_cost_usd_a_day) == (2, None)
