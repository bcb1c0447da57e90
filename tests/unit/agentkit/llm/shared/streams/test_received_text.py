from __future__ import annotations

import pytest

from agentkit.llm.shared.streams.received_text import ReceivedText

LONG = "A sentence of more than thirty-two characters."


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([LONG[:20], LONG[20:], LONG], LONG),
        ([LONG[:20], LONG[20:], LONG, LONG], LONG),
        ([LONG, LONG], LONG * 2),
        (["ha", "ha", "haha"], "hahahaha"),
        ([LONG[:20], LONG[20:], LONG[:20]], LONG + LONG[:20]),
    ],
    ids=["repeated", "repeated twice", "a single chunk before", "short", "in part"],
)
def test_only_a_chunk_that_repeats_several_is_left_out(chunks: list[str], expected: str) -> None:
    text = ReceivedText()
    added = [text.add(chunk) for chunk in chunks]
    assert (str(text), "".join(added)) == (expected, expected)
