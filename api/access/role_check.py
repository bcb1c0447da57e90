"""Check that the current principal has a role."""

from __future__ import annotations

from agentkit.principal import Role
from api.current_principal import current_principal
from api.tasks.errors import RoleMissing

__all__ = ["check_role"]


def check_role(*roles: Role) -> None:
    """Return if the current principal has one of ``roles``.

    Raises:
        RoleMissing: it has none of them.
    """
    principal = current_principal()
    if not principal.has_role(*roles):
        raise RoleMissing(principal, roles)
