from __future__ import annotations

import tracemalloc

from activities.streaming.token_batches import TokenBuffer, joined
from agentkit.interfaces import ModelDelta


def test_neighbours_of_one_kind_are_joined_in_order() -> None:
    deltas = [
        ModelDelta("thinking", "Hm"),
        ModelDelta("thinking", "m."),
        ModelDelta("text", "a"),
        ModelDelta("text", "b"),
    ]
    assert joined([*deltas, ModelDelta("thinking", "?")]) == (
        ModelDelta("thinking", "Hmm."),
        ModelDelta("text", "ab"),
        ModelDelta("thinking", "?"),
    )


def test_a_buffer_returns_all_text_in_few_deltas() -> None:
    buffer = TokenBuffer()
    for number in range(1000):
        buffer.append(ModelDelta("text", f"{number} "))
    buffer.append(ModelDelta("tool_arguments", "{}"))
    text = "".join(f"{number} " for number in range(1000))
    assert buffer.deltas() == (ModelDelta("text", text), ModelDelta("tool_arguments", "{}"))
    assert buffer.chars == len(text) + 2


def test_the_memory_of_a_buffer_is_close_to_that_of_its_text() -> None:
    chars = 200_000
    tracemalloc.start()
    try:
        buffer = TokenBuffer()
        for _ in range(chars // 2):
            buffer.append(ModelDelta("text", "a "))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert buffer.chars == chars
    assert used < 2 * chars
