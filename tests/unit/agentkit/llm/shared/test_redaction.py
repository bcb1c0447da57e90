from __future__ import annotations

import pytest

from agentkit.llm.shared.redaction import redact_keys

KEY = "my-own-key-1234567890"


@pytest.mark.parametrize(
    "text",
    [
        "Wrong key sk-proj-abcdefgh.",
        "Wrong key: sk-abc***wxyz",
        "Wrong key abcd****wxyz",
        "Sent Bearer abcdwxyz",
        "Wrong key my-own-key-1234567890",
        "Wrong key my-own-k...",
        "Wrong key ...34567890",
    ],
)
def test_no_part_of_a_key_remains(text: str) -> None:
    redacted = redact_keys(text, KEY)
    assert "[key]" in redacted
    for part in ("abc", "wxyz", "my-own", "7890"):
        assert part not in redacted


def test_each_of_several_masked_keys_is_removed() -> None:
    assert redact_keys("one***1,two***2 'three***3'", "unused") == "[key],[key] '[key]'"


@pytest.mark.parametrize(
    "text", ["The model `gpt-9` does not exist", "Use **bold** words", "A task-based risk-free desk"]
)
def test_ordinary_words_remain(text: str) -> None:
    assert redact_keys(text, "unused") == text


def test_lone_surrogates_are_replaced() -> None:
    assert redact_keys("no \ud83d", KEY) == "no \ufffd"


@pytest.mark.parametrize("text", ["y" * 5_000_000, "y*" * 2_500_000, "sk" * 2_500_000], ids=["y", "y*", "sk"])
def test_a_long_text_is_cut(text: str) -> None:
    assert len(redact_keys(text, KEY)) == 20_000


def test_a_key_at_the_cut_leaves_no_part() -> None:
    assert "my-own" not in redact_keys("y " * 9_990 + KEY, KEY)
