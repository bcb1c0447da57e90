from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import WorkflowExecution
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from agentkit.principal import LOCAL_PRINCIPAL, Principal
from api.current_principal import acting_as
from api.tasks.tenant_access import is_visible, own_tenant, tenant_of, tenant_terms
from workflows.search_attributes import TENANT

VIEWER = Principal(subject="ada", tenant="acme", roles=frozenset({"viewer"}))
ADMIN = Principal(subject="root", tenant="default", roles=frozenset({"admin"}))


def workflow_of(tenant: str | None) -> WorkflowExecution:
    pairs: list[SearchAttributePair[Any]] = [] if tenant is None else [SearchAttributePair(TENANT, tenant)]
    return cast(WorkflowExecution, SimpleNamespace(typed_search_attributes=TypedSearchAttributes(pairs)))


@pytest.mark.parametrize(
    ("principal", "tenant", "expected"),
    [
        (VIEWER, "acme", True),
        (VIEWER, "globex", False),
        (VIEWER, None, False),
        (ADMIN, "acme", True),
        (ADMIN, None, True),
        (LOCAL_PRINCIPAL, "acme", True),
    ],
)
def test_workflows_of_other_tenants_are_visible_to_admins_only(
    principal: Principal, tenant: str | None, expected: bool
) -> None:
    assert is_visible(workflow_of(tenant), principal) is expected
    with acting_as(principal):
        assert is_visible(workflow_of(tenant)) is expected


def test_a_workflow_without_a_tenant_is_of_the_default_one() -> None:
    assert tenant_of(workflow_of(None)) == "default"


def test_what_a_principal_starts_is_of_its_tenant_and_so_are_its_lists() -> None:
    with acting_as(VIEWER):
        assert own_tenant() == "acme"
        assert tenant_terms() == ["OpspawnTenant = 'acme'"]
    with acting_as(ADMIN):
        assert (own_tenant(), tenant_terms()) == ("default", [])


def test_a_tenants_name_is_no_part_of_the_query_language() -> None:
    with acting_as(VIEWER.model_copy(update={"tenant": "a' OR 'x' = 'x"})):
        assert tenant_terms() == [r"OpspawnTenant = 'a\' OR \'x\' = \'x'"]
