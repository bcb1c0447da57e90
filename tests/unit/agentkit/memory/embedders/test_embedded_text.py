from __future__ import annotations

import math

import pytest

from agentkit.memory.embedders.embedded_text import MAX_EMBEDDED_CHARS, embeddable, unit_vector


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("A note.", "A note.", id="plain"),
        pytest.param("", ".", id="empty"),
        pytest.param(" \n\t", ".", id="blank"),
        pytest.param("\ud800x", "?x", id="half-a-character"),
        pytest.param("x" * 9_000, "x" * MAX_EMBEDDED_CHARS, id="long"),
    ],
)
def test_texts_are_made_embeddable(text: str, expected: str) -> None:
    assert embeddable(text) == expected


def test_a_vector_gets_length_1() -> None:
    assert unit_vector([3, 4]) == pytest.approx([0.6, 0.8])
    assert math.hypot(*unit_vector([1e-200, 1e-200])) == pytest.approx(1.0)


@pytest.mark.parametrize("vector", [[0.0, 0.0], [], [math.nan], [math.inf, 1.0], [1.7e308, 1.7e308]])
def test_a_vector_without_direction_is_refused(vector: list[float]) -> None:
    with pytest.raises(ValueError, match="zero or not finite"):
        unit_vector(vector)
