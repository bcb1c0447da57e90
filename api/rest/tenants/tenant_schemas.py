"""A tenant's usage in REST's JSON."""

from __future__ import annotations

from datetime import date, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue

from api.tasks.tenants.tenant_usage_service import TenantUsageSnapshot

__all__ = ["TenantUsageResponse"]

_USAGE: JsonValue = {
    "tenant": "acme",
    "day": "2026-11-28",
    "resets_at": "2026-11-29T00:00:00Z",
    "running_tasks": 3,
    "tokens": 48210,
    "cost_usd": 0.173,
    "model_calls": 61,
    "unpriced_calls": 0,
    "max_running_tasks": 50,
    "max_tokens_a_day": 1000000,
    "max_cost_usd_a_day": None,
}


class TenantUsageResponse(BaseModel):
    """What a tenant has spent today, and its limits. Limits are null where there are none."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _USAGE})

    tenant: str
    day: date
    """Today in UTC."""
    resets_at: datetime
    """Midnight UTC, when the next day starts."""
    running_tasks: int
    """Tasks that run or wait, turns of conversations among them."""
    tokens: int | None
    """Input and output tokens; null, as the next three, where nothing is counted: the tenant has no daily limit."""
    cost_usd: float | None
    """US dollars, without ``unpriced_calls``."""
    model_calls: int | None
    unpriced_calls: int | None
    """The requests to models among ``model_calls`` whose price is unknown."""
    max_running_tasks: int | None
    max_tokens_a_day: int | None
    max_cost_usd_a_day: float | None

    @classmethod
    def of(cls, usage: TenantUsageSnapshot) -> Self:
        """Return the response for a tenant's usage."""
        total, limits = usage.total, usage.limits
        return cls(
            tenant=usage.tenant,
            day=usage.day,
            resets_at=usage.resets_at,
            running_tasks=usage.running_tasks,
            tokens=None if total is None else total.tokens,
            cost_usd=None if total is None else total.cost_usd,
            model_calls=None if total is None else total.model_calls,
            unpriced_calls=None if total is None else total.unpriced_calls,
            max_running_tasks=limits.max_running_tasks,
            max_tokens_a_day=limits.max_tokens_a_day,
            max_cost_usd_a_day=limits.max_cost_usd_a_day,
        )
