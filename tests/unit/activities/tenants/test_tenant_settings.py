"""Settings of tenants: read from opspawn.toml, and which apply."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import Settings
from activities.tenants.tenant_settings import TenantSettings, tenant_settings
from agentkit.errors import ConfigurationInvalid


def test_a_tenants_own_settings_come_before_those_of_other_tenants(tmp_path: Path) -> None:
    (tmp_path / "opspawn.toml").write_text('[tenants.acme]\nweight = 2\n[tenants."*"]\nmax_running_tasks = 5\n')
    table = Settings.load(tmp_path).tenants
    assert tenant_settings(table, "acme") == TenantSettings(weight=2)
    assert tenant_settings(table, "globex") == TenantSettings(max_running_tasks=5)
    assert tenant_settings({}, "globex") == TenantSettings()


@pytest.mark.parametrize(
    "text",
    [
        "[tenants.acme]\nweight = 0",
        "[tenants.acme]\nmax_running_tasks = 0",
        "[tenants.acme]\nmax = 1",
        "[tenants.'a b']",
    ],
    ids=["no weight", "no task", "unknown setting", "no name of a tenant"],
)
def test_settings_of_tenants_that_are_wrong_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "opspawn.toml").write_text(text)
    with pytest.raises(ConfigurationInvalid, match="tenants"):
        Settings.load(tmp_path)
