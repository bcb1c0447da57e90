from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from agentkit.interfaces import Memory, MemoryScope
from api.memories.memory_import import read_lines
from api.rest.memories.memory_schemas import MemoryResponse
from api.tasks.errors import RequestInvalid


def lines(*values: Any) -> bytes:
    return "\n".join(value if isinstance(value, str) else json.dumps(value) for value in values).encode()


def test_a_line_needs_a_text_alone_and_may_have_all_fields_of_a_memory() -> None:
    now = datetime.now(UTC)
    memory = Memory(id="1", text="b", scope=MemoryScope(kind="tenant"), created_at=now, updated_at=now, score=1.0)
    stored = MemoryResponse.of(memory.model_copy(update={"task_id": "t", "superseded_by": "2"}))
    first, second = read_lines(lines({"text": "Ada likes tea."}, "", stored.model_dump(mode="json")))
    assert (first.text, str(first.chosen_scope), first.metadata) == ("Ada likes tea.", "user/default", {})
    assert second.text == "b"


@pytest.mark.parametrize(
    "scope",
    ["agent/assistant", {"kind": "agent", "owner": "assistant", "tenant": "default"}],
    ids=["as text", "as a record"],
)
def test_a_line_has_its_scope(scope: Any) -> None:
    (line,) = read_lines(lines({"text": "a", "scope": scope}))
    assert str(line.chosen_scope) == "agent/assistant"


def test_the_same_line_has_the_same_key_and_another_one_another() -> None:
    first, again, other, unnamed = read_lines(
        lines({"id": "1", "text": "a"}, {"id": "1", "text": "b"}, {"id": "2", "text": "a"}, {"text": "a"})
    )
    assert first.key == again.key
    assert len({first.key, other.key, unnamed.key}) == 3


def test_an_unknown_field_is_refused_by_its_name() -> None:
    with pytest.raises(RequestInvalid, match=r"^Line 2: txet: There is no such field\. Nothing was imported"):
        read_lines(lines({"text": "a"}, {"text": "b", "txet": "c"}))


@pytest.mark.parametrize("levels", [101, 100_000])
def test_a_line_that_is_nested_too_deeply_is_refused_in_words(levels: int) -> None:
    deep = f'{{"text": "a", "metadata": {"[" * (levels - 1)}{"]" * (levels - 1)}}}'
    with pytest.raises(RequestInvalid, match=r"^Line 1: it is nested too deeply: 100 levels at most"):
        read_lines(deep.encode())


def test_a_wrong_line_is_named_by_its_number() -> None:
    with pytest.raises(RequestInvalid, match=r"^Line 3: scope: "):
        read_lines(lines({"text": "a"}, "", {"text": "a", "scope": "nobody"}))
