from __future__ import annotations

import json
from typing import Any

import pytest

from api.memories.memory_import import read_lines
from api.tasks.errors import RequestInvalid


def lines(*values: Any) -> bytes:
    return "\n".join(value if isinstance(value, str) else json.dumps(value) for value in values).encode()


def test_a_line_needs_a_text_alone_and_what_others_have_written_is_no_hindrance() -> None:
    first, second = read_lines(lines({"text": "Ada likes tea."}, "", {"text": "b", "score": 1, "mood": "good"}))
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


def test_a_wrong_line_is_named_by_its_number() -> None:
    with pytest.raises(RequestInvalid, match=r"^Line 3: scope: "):
        read_lines(lines({"text": "a"}, "", {"text": "a", "scope": "nobody"}))
