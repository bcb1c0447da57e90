"""What a tenant spends in a day: payloads of the workflow that adds it up, and its id."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from pydantic import Field

from agentkit.messages import Usage
from agentkit.records import Record

__all__ = [
    "ADD_USAGE",
    "MEMO_TENANT_USAGE",
    "TENANT_USAGE_TYPE",
    "TenantDay",
    "TenantTotal",
    "UsageEntry",
    "UsageReport",
    "end_of_day",
    "tenant_usage_id",
]

TENANT_USAGE_TYPE = "TenantUsage"
"""The workflow's type."""
ADD_USAGE = "add_usage"
"""The workflow's signal, with a ``UsageReport``."""
MEMO_TENANT_USAGE = "tenant_usage"
"""The workflow's ``TenantTotal``, for readers that need no worker."""


class TenantTotal(Record):
    """What the tasks of a tenant have spent in one day."""

    tokens: int = Field(default=0, ge=0)
    """Input and output tokens."""
    cost_usd: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """US dollars, without the requests that ``unpriced_calls`` counts."""
    model_calls: int = Field(default=0, ge=0)
    unpriced_calls: int = Field(default=0, ge=0)
    """The requests among ``model_calls`` whose price is unknown."""

    def __add__(self, other: TenantTotal) -> TenantTotal:
        return TenantTotal(
            tokens=self.tokens + other.tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            model_calls=self.model_calls + other.model_calls,
            unpriced_calls=self.unpriced_calls + other.unpriced_calls,
        )

    @classmethod
    def of(cls, usage: Usage) -> TenantTotal:
        """Return the part of a usage that limits of tenants are about."""
        return cls(
            tokens=usage.tokens,
            cost_usd=usage.cost_usd or 0.0,
            model_calls=usage.model_calls,
            unpriced_calls=usage.unpriced_calls,
        )


class UsageEntry(Record):
    """What one attempt of an activity has spent."""

    id: str = Field(min_length=1, max_length=100)
    """Unique for the attempt: the same entry in two reports counts once."""
    spent: TenantTotal


class UsageReport(Record):
    """The argument of the signal ``add_usage``."""

    entries: tuple[UsageEntry, ...]


class TenantDay(Record):
    """The workflow's argument: whose usage of which day it adds up, and where it stands after continue-as-new."""

    tenant: str
    day: date
    """In UTC."""
    total: TenantTotal = TenantTotal()
    entry_ids: tuple[str, ...] = ()
    """The ids of the newest entries that ``total`` has."""


def tenant_usage_id(task_queue: str, tenant: str, day: date) -> str:
    """Return the id of the workflow that adds up a tenant's usage of a day, for the app of a task queue."""
    return f"tenant-usage/{task_queue}/{tenant}/{day.isoformat()}"


def end_of_day(day: date) -> datetime:
    """Return the midnight (UTC) at which a day ends."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1)
