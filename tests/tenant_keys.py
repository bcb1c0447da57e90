"""A file with API keys of two tenants, for tests of what the principals may do and see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentkit.access.api_keys import new_api_key
from agentkit.access.keys_file import change_keys
from agentkit.principal import Role

ACME, GLOBEX = "acme", "globex"


@dataclass(frozen=True)
class TenantKeys:
    """The texts of the keys in a file: those of tenants by tenant and role, and one of an administrator."""

    path: Path
    keys: Mapping[tuple[str, Role], str]

    def key(self, tenant: str, role: Role = "operator") -> str:
        """Return the key of a tenant's ``viewer``, ``operator`` or ``approver``; its subject is ``ROLE-TENANT``."""
        return self.keys[tenant, role]

    @property
    def admin(self) -> str:
        """The key of the administrator, whose tenant is ``default``."""
        return self.keys["default", "admin"]

    def header(self, tenant: str, role: Role = "operator") -> dict[str, str]:
        """Return the header of requests; gRPC's metadata has the same name in lower case."""
        return {"authorization": f"Bearer {self.key(tenant, role)}"}


def write_tenant_keys(directory: Path) -> TenantKeys:
    """Write a keys file with a key of each role for ``acme`` and ``globex``, and one of an administrator."""
    path = directory / "keys.json"
    texts: dict[tuple[str, Role], str] = {}
    roles: tuple[Role, ...] = ("viewer", "operator", "approver")
    wanted: list[tuple[str, Role]] = [*((t, r) for t in (ACME, GLOBEX) for r in roles), ("default", "admin")]
    with change_keys(path) as keys:
        for tenant, role in wanted:
            text, key = new_api_key(f"{role}-{tenant}", tenant, [role], now=datetime.now(UTC))
            keys.append(key)
            texts[tenant, role] = text
    return TenantKeys(path, texts)
