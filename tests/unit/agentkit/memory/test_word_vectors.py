"""Sparse vectors of words."""

from __future__ import annotations

import pytest

from agentkit.memory.word_vectors import WordVector, document_words, query_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Green TEA, please!", ["gre", "tea", "pleas"]),
        ("walks walked walking walk", ["walk"] * 4),
        ("Grüße grusse", ["gruss", "gruss"]),
        ("我喜欢绿茶", ["我喜", "喜欢", "欢绿", "绿茶"]),
        ("茶", ["茶"]),
        ("loves緑茶 v2", ["lov", "緑茶", "v2"]),
        ("こんにちは", ["こん", "んに", "にち", "ちは"]),
        ("\0 !? \u200b", []),
    ],
    ids=ascii,
)
def test_words_are_without_endings_and_accents(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words


def test_a_query_shares_the_numbers_of_its_words_with_a_text() -> None:
    text, query = document_words("Ada drinks green tea"), query_words("tea?")
    assert set(query.indices) <= set(text.indices)
    assert query.values == (1.0,)


def test_repeated_words_and_shorter_texts_weigh_more_within_bounds() -> None:
    def weight(text: str) -> float:
        words = document_words(text)
        return words.values[words.indices.index(query_words("tea").indices[0])]

    assert weight("tea cup") < weight("tea tea") < weight("tea " * 50) < 2.2
    assert weight("tea cup") > weight("tea cup" + " and more" * 20) > 0


def test_indices_are_sorted_numbers_of_32_bits_and_differ() -> None:
    words = document_words(" ".join(f"word{number}" for number in range(4_000)))
    assert list(words.indices) == sorted(set(words.indices))
    assert words.indices[0] >= 0
    assert words.indices[-1] < 2**32
    assert document_words("") == query_words("!") == WordVector()
