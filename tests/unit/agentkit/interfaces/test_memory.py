from __future__ import annotations

import pytest

from agentkit.interfaces import MemoryScope, ScopeKind


@pytest.mark.parametrize(
    ("kind", "user", "expected"),
    [
        ("user", "ada", "user/ada"),
        ("user", None, "user/default"),
        ("agent", "ada", "agent/assistant"),
        ("tenant", "ada", "tenant"),
    ],
    ids=["of a user", "of a task without a user", "of an agent", "of all"],
)
def test_a_scope_is_of_a_user_an_agent_or_all(kind: ScopeKind, user: str | None, expected: str) -> None:
    assert str(MemoryScope.of(kind, user=user, agent="assistant")) == expected
