"""Who makes a request: a person or a program, its tenant, and what it may do."""

from __future__ import annotations

from typing import Literal

from agentkit.interfaces import DEFAULT_TENANT
from agentkit.records import Record

__all__ = ["LOCAL_PRINCIPAL", "Principal", "Role"]

Role = Literal["viewer", "operator", "approver", "admin"]
"""What a principal may do. ``viewer``: read what is its tenant's. ``operator``: also start, steer and answer tasks, but
for approvals. ``approver``: read, and answer every input request. ``admin``: everything, of every tenant."""


class Principal(Record):
    """Who makes a request, as its API key or token says."""

    subject: str
    """The person's or program's name, unique within the tenant: the ``answered_by`` of its answers."""
    tenant: str = DEFAULT_TENANT
    roles: frozenset[Role] = frozenset()
    groups: tuple[str, ...] = ()
    """Names that ``approvers`` of a policy may use for several people."""

    def has_role(self, *roles: Role) -> bool:
        """Return whether it has one of ``roles``; every role contains ``viewer``, and ``admin`` all others."""
        return "admin" in self.roles or bool(self.roles & set(roles)) or ("viewer" in roles and bool(self.roles))


LOCAL_PRINCIPAL = Principal(subject="local", roles=frozenset({"admin"}))
"""Whoever calls an API without authentication, which serves this machine only."""
