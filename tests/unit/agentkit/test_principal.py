from __future__ import annotations

import pytest

from agentkit.principal import LOCAL_PRINCIPAL, Principal, Role


@pytest.mark.parametrize(
    ("own", "needed", "allowed"),
    [
        ("viewer", "viewer", True),
        ("viewer", "operator", False),
        ("operator", "viewer", True),
        ("operator", "approver", False),
        ("approver", "viewer", True),
        ("approver", "operator", False),
        ("operator", "admin", False),
        ("admin", "viewer", True),
        ("admin", "operator", True),
        ("admin", "approver", True),
    ],
)
def test_a_role_contains_viewer_and_admin_contains_all(own: Role, needed: Role, allowed: bool) -> None:
    assert Principal(subject="ada", roles=frozenset({own})).has_role(needed) is allowed


def test_a_principal_without_roles_may_do_nothing() -> None:
    assert not Principal(subject="ada").has_role("viewer", "operator", "approver", "admin")


def test_one_of_several_roles_suffices() -> None:
    assert Principal(subject="ada", roles=frozenset({"approver"})).has_role("operator", "approver")


def test_the_local_principal_may_do_everything() -> None:
    assert LOCAL_PRINCIPAL.has_role("admin")
