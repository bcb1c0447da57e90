"""What is stored of a memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agentkit.errors import MemoryMisconfigured
from agentkit.interfaces import Memory, MemoryScope
from agentkit.memory.stored_points import MemoryPoint, key_hash, payload_of, point_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FULL = Memory(
    id="0b5f2b6e-3c1c-5ab6-a3a3-6f7d3c2f9b11",
    text="Ada drinks tea",
    scope=MemoryScope(kind="user", owner="ada", tenant="acme"),
    created_at=NOON,
    updated_at=NOON + timedelta(hours=1),
    metadata={"a.b": "1", "": "\0"},
    task_id="task-1",
    expires_at=NOON + timedelta(days=1),
    superseded_by="x",
)


@pytest.mark.parametrize(
    "memory", [FULL, FULL.model_copy(update={"task_id": None, "expires_at": None})], ids=["all", "few"]
)
def test_a_payload_has_all_of_a_memory(memory: Memory) -> None:
    point = MemoryPoint(memory, (key_hash("call-1"),))
    assert point_of(memory.id, payload_of(point)) == point


def test_a_payload_says_whether_the_memory_is_current() -> None:
    current = FULL.model_copy(update={"superseded_by": None})
    assert [payload_of(MemoryPoint(memory))["state"] for memory in (FULL, current)] == ["superseded", "current"]


def test_a_payload_has_no_key_as_it_was_given() -> None:
    assert "call-1" not in str(payload_of(MemoryPoint(FULL, (key_hash("call-1"),))))


@pytest.mark.parametrize("payload", [None, {}, {"text": 1}, payload_of(MemoryPoint(FULL)) | {"metadata": 1}], ids=str)
def test_what_is_no_memory_is_named(payload: dict[str, object] | None) -> None:
    with pytest.raises(MemoryMisconfigured, match="7 is stored among the memories"):
        point_of(7, payload)
