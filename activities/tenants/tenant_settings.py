"""Settings of a tenant: its share of the workers, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from agentkit.records import Record

__all__ = ["OTHER_TENANTS", "TenantSettings", "TenantTable", "tenant_settings"]

OTHER_TENANTS = "*"
"""The key of the settings of all tenants that have none of their own."""


class TenantSettings(Record, extra="forbid"):
    """Settings of one tenant."""

    weight: float = Field(default=1.0, ge=0.001, le=1000)
    """Its share of the workers while tasks wait for them, in relation to the weights of other tenants."""
    max_running_tasks: int | None = Field(default=None, ge=1)
    """The most tasks that run or wait at once; further ones are refused. None: no limit."""
    max_tokens_a_day: int | None = Field(default=None, ge=1)
    """Input and output tokens of a day (UTC). When they are spent, nothing starts until midnight. None: no limit."""
    max_cost_usd_a_day: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """US dollars of a day (UTC), likewise."""

    @property
    def has_daily_limit(self) -> bool:
        """Whether the tenant's usage of a day is counted."""
        return self.max_tokens_a_day is not None or self.max_cost_usd_a_day is not None


TenantTable = dict[Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")], TenantSettings]
"""Settings by the tenant's name, or ``OTHER_TENANTS``."""


_DEFAULTS = TenantSettings()


def tenant_settings(table: Mapping[str, TenantSettings], tenant: str) -> TenantSettings:
    """Return the settings of a tenant: its own, those of other tenants, or the defaults."""
    return table.get(tenant) or table.get(OTHER_TENANTS) or _DEFAULTS
