from __future__ import annotations

import pytest

from agentkit.llm.shared.surrogates import ends_with_high_surrogate, repair_json_surrogates, repair_surrogates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Grüße \U0001f600", "Grüße \U0001f600", id="valid text"),
        pytest.param("\ud83d\ude00!", "\U0001f600!", id="a pair"),
        pytest.param("a\ud83db", "a\ufffdb", id="a lone high surrogate"),
        pytest.param("a\ude00", "a\ufffd", id="a lone low surrogate"),
    ],
)
def test_pairs_are_joined_and_lone_surrogates_replaced(text: str, expected: str) -> None:
    assert repair_surrogates(text) == expected
    assert repair_json_surrogates({text: [text]}) == {expected: [expected]}


@pytest.mark.parametrize(("text", "expected"), [("a\ud83d", True), ("a\ude00", False), ("a", False), ("", False)])
def test_only_a_high_surrogate_at_the_end_can_be_completed(text: str, expected: bool) -> None:
    assert ends_with_high_surrogate(text) is expected
