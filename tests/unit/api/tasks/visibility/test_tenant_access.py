from __future__ import annotations

import pytest

from agentkit.principal import Principal
from api.current_principal import acting_as, authenticated_principal
from api.tasks.errors import TenantNotFound
from api.tasks.visibility.tenant_access import acting_for, own_tenant, require_tenant, tenant_terms


def test_what_continues_anothers_task_belongs_to_its_tenant_and_the_principal_stays() -> None:
    admin = Principal(subject="root", roles=frozenset({"admin"}))
    with acting_as(admin):
        with acting_for("acme"):
            assert own_tenant() == "acme"
            assert authenticated_principal() is admin
        assert own_tenant() == "default"


def test_only_administrators_list_every_tenant() -> None:
    with acting_as(Principal(subject="ada", tenant="acme", roles=frozenset({"operator"}))):
        assert tenant_terms() == ["OpspawnTenant = 'acme'"]
    with acting_as(Principal(subject="root", roles=frozenset({"admin"}))):
        assert tenant_terms() == []


def test_only_administrators_name_another_tenant() -> None:
    for role in ("viewer", "operator", "approver"):
        with acting_as(Principal(subject="ada", tenant="acme", roles=frozenset({role}))):
            require_tenant("acme")
            with pytest.raises(TenantNotFound, match="no tenant 'globex'"):
                require_tenant("globex")
    with acting_as(Principal(subject="root", roles=frozenset({"admin"}))):
        require_tenant("globex")
