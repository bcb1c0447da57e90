from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from agentkit.interfaces import MemoryScope
from api.memories.memory_import import ImportedMemory
from api.memories.memory_requests import MemoryChange, NewMemoryRequest, ScopeRequest, TenantScopeRequest


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, MemoryScope(kind="user", owner="default")),
        ({"user": "ada"}, MemoryScope(kind="user", owner="ada")),
        ({"agent": "assistant"}, MemoryScope(kind="agent", owner="assistant")),
        ({"scope": "tenant"}, MemoryScope(kind="tenant")),
        ({"scope": "user/a/b c"}, MemoryScope(kind="user", owner="a/b c")),
    ],
    ids=["none", "a user", "an agent", "all", "a user whose name has a slash"],
)
def test_a_request_names_one_scope(given: dict[str, Any], expected: MemoryScope) -> None:
    request = ScopeRequest(**given)
    assert request.chosen_scope == expected
    assert request.given_scope == (expected if given else None)


@pytest.mark.parametrize(
    "given",
    [{"user": "a", "agent": "b"}, {"scope": "user/"}, {"scope": "team/x"}, {"user": "a\nb"}, {"agent": "no name"}],
    ids=["two", "a user without a name", "another kind", "a line break", "a name that no agent has"],
)
def test_other_scopes_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ScopeRequest(**given)


def test_of_two_scopes_the_second_is_named_as_too_many() -> None:
    for given, name in [({"user": "a", "scope": "tenant"}, "scope"), ({"user": "a", "agent": "b"}, "agent")]:
        with pytest.raises(ValidationError, match="Give one of user, agent and scope") as refused:
            ScopeRequest(**given)
        assert [error["loc"] for error in refused.value.errors()] == [(name,)]


def test_a_change_changes_something() -> None:
    with pytest.raises(ValidationError, match="Give text, metadata or expires_at"):
        MemoryChange()
    assert MemoryChange(metadata={}).metadata == {}


def test_an_expiry_is_removed_by_null_and_stays_where_it_is_left_out() -> None:
    assert MemoryChange.model_validate({"expires_at": None}).changes.expires_at == "never"
    assert MemoryChange.model_validate({"text": "a"}).changes.expires_at is None


@pytest.mark.parametrize("kind", [NewMemoryRequest, MemoryChange, ImportedMemory])
def test_a_time_that_is_past_is_no_expiry(kind: type[NewMemoryRequest | MemoryChange]) -> None:
    with pytest.raises(ValidationError, match="is past: a memory that expires then is gone at once") as refused:
        kind.model_validate({"text": "a", "expires_at": "2020-01-01T00:00:00Z"})
    assert refused.value.errors()[0]["loc"] == ("expires_at",)
    kind.model_validate({"text": "a", "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()})


def test_a_tenant_has_the_name_that_one_may_have_and_is_no_field_of_a_text() -> None:
    assert TenantScopeRequest(tenant="acme").tenant == "acme"
    for wrong in ("", "-a", "a b", "a" * 65):
        with pytest.raises(ValidationError, match="tenant"):
            TenantScopeRequest(tenant=wrong)
    with pytest.raises(ValidationError, match="tenant"):
        NewMemoryRequest.model_validate({"text": "a", "tenant": "acme"})
