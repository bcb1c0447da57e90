"""What the current principal sees: what is its tenant's; an admin sees all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from temporalio.client import WorkflowExecution

from agentkit.interfaces import DEFAULT_TENANT
from agentkit.principal import Principal
from api.current_principal import current_principal
from api.tasks.errors import TenantNotFound
from api.tasks.visibility.visibility_text import quoted
from workflows.search_attributes import TENANT

__all__ = ["acting_for", "is_visible", "own_tenant", "require_tenant", "tenant_of", "tenant_terms"]


_owner: ContextVar[str | None] = ContextVar("opspawn_owner", default=None)


@contextmanager
def acting_for(tenant: str) -> Iterator[None]:
    """Make what the code inside starts belong to ``tenant``, as the task or conversation does that it continues."""
    token = _owner.set(tenant)
    try:
        yield
    finally:
        _owner.reset(token)


def own_tenant() -> str:
    """Return the tenant of what the current principal starts: its own, but within ``acting_for``."""
    return _owner.get() or current_principal().tenant


def require_tenant(tenant: str) -> None:
    """Check that the current principal sees a tenant: its own; an admin sees all.

    Raises:
        TenantNotFound: it doesn't.
    """
    principal = current_principal()
    if tenant != principal.tenant and not principal.has_role("admin"):
        raise TenantNotFound(tenant)


def tenant_of(execution: WorkflowExecution) -> str:
    """Return the tenant of a workflow."""
    return execution.typed_search_attributes.get(TENANT) or DEFAULT_TENANT


def is_visible(execution: WorkflowExecution, principal: Principal | None = None) -> bool:
    """Return whether a principal, by default the current one, may know of a workflow."""
    principal = principal or current_principal()
    return principal.has_role("admin") or tenant_of(execution) == principal.tenant


def tenant_terms() -> list[str]:
    """Return the terms of a visibility query for the workflows that the current principal sees."""
    principal = current_principal()
    return [] if principal.has_role("admin") else [f"{TENANT.name} = {quoted(principal.tenant)}"]
