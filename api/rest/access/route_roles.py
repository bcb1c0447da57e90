"""The roles that routes need: each router and route has one among its dependencies, or is open to everybody.

Roles add up: a route of a router that needs ``VIEWER`` may need ``OPERATOR`` as well.
"""

from __future__ import annotations

from typing import Any

from fastapi import Depends

from agentkit.principal import Role
from api.access.role_check import check_role

__all__ = ["ADMIN", "ANSWERER", "OPEN_PATHS", "OPERATOR", "VIEWER", "RequiredRole", "describe_security"]

OPEN_PATHS = frozenset({"/docs", "/healthz", "/openapi.json", "/readyz"})
"""Paths that need no key: an orchestrator's probes, and the description of the API, which has no data of anybody."""


def describe_security(description: dict[str, Any]) -> None:
    """Add to an OpenAPI description that calls need a key or token, but for the open ones."""
    description["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    description["security"] = [{"bearer": []}]
    for path in OPEN_PATHS & description["paths"].keys():
        for operation in description["paths"][path].values():
            operation["security"] = []


class RequiredRole:
    """A dependency that refuses requests whose principal has none of the roles."""

    def __init__(self, *roles: Role) -> None:
        """Require one of ``roles``."""
        self.roles = roles

    async def __call__(self) -> None:
        """Check the current principal.

        Raises:
            RoleMissing: it has none of the roles.
        """
        check_role(*self.roles)


ADMIN = Depends(RequiredRole("admin"))
ANSWERER = Depends(RequiredRole("approver", "operator"))
"""For answers to input requests; an approval's needs the role ``approver``, which only the request itself says."""

OPERATOR = Depends(RequiredRole("operator"))
VIEWER = Depends(RequiredRole("viewer"))
