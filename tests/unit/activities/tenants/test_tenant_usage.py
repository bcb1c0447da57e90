from __future__ import annotations

from datetime import UTC, date, datetime

from activities.tenants.tenant_usage import TenantTotal, end_of_day, tenant_usage_id
from agentkit.messages import Usage


def test_the_total_has_what_limits_are_about() -> None:
    usage = Usage(input_tokens=10, cached_tokens=8, output_tokens=5, reasoning_tokens=2, model_calls=1, cost_usd=0.5)
    unpriced = Usage(input_tokens=1, model_calls=1, unpriced_calls=1)
    total = TenantTotal.of(usage) + TenantTotal.of(unpriced)
    assert total == TenantTotal(tokens=16, cost_usd=0.5, model_calls=2, unpriced_calls=1)


def test_a_day_ends_at_midnight_in_utc() -> None:
    assert end_of_day(date(2026, 12, 31)) == datetime(2027, 1, 1, tzinfo=UTC)


def test_apps_tenants_and_days_have_totals_of_their_own() -> None:
    ids = {
        tenant_usage_id(queue, tenant, day)
        for queue in ("opspawn", "other")
        for tenant in ("acme", "globex")
        for day in (date(2026, 11, 28), date(2026, 11, 29))
    }
    assert len(ids) == 8
