"""Sparse vectors of the words in a text, weighted as BM25 does."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["WordVector", "document_words", "query_words", "words_of"]

AVERAGE_WORDS = 12
"""Average number of words of a memory, by which BM25 weights words in longer texts less. A constant, as the database
doesn't know the average."""

SATURATION = 1.2
"""``k1`` of BM25: how little a word's repetitions count."""

LENGTH_WEIGHT = 0.75
"""``b`` of BM25: how much a text's length counts."""

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
"""Runs of Thai, Japanese and Chinese, which are written without spaces."""

_ENDINGS = ("ing", "ed", "es", "en", "er", "s", "e", "n")


@dataclass(frozen=True, slots=True)
class WordVector:
    """A sparse vector: a weight for each word of a text. Its index is a hash of the word, of 32 bits."""

    indices: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


def document_words(text: str) -> WordVector:
    """Return the vector of a stored text. The database multiplies by the rarity of words (modifier IDF)."""
    counts = Counter(words_of(text))
    length = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * sum(counts.values()) / AVERAGE_WORDS)
    return _vector({word: n * (SATURATION + 1) / (n + length) for word, n in counts.items()})


def query_words(text: str) -> WordVector:
    """Return the vector of a query: the weight of each of its words is 1."""
    return _vector(dict.fromkeys(words_of(text), 1.0))


def words_of(text: str) -> Sequence[str]:
    """Return the words of a text without accents and common endings. Scripts without spaces: pairs of characters."""
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKD", text).casefold()
        if not unicodedata.combining(character)
    )
    return [word for run in _WORD.findall(plain) for word in _split(run)]


def _split(run: str) -> Iterator[str]:
    end = 0
    for unspaced in _UNSPACED.finditer(run):
        if before := run[end : unspaced.start()]:
            yield _stem(before)
        characters = unspaced[0]
        yield from characters if len(characters) == 1 else map("".join, itertools.pairwise(characters))
        end = unspaced.end()
    if rest := run[end:]:
        yield _stem(rest)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) >= len(ending) + 3:
            return word.removesuffix(ending)
    return word


def _vector(weights: dict[str, float]) -> WordVector:
    by_index: dict[int, float] = {}
    for word, weight in weights.items():
        index = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest())
        by_index[index] = max(weight, by_index.get(index, 0.0))
    ordered = sorted(by_index.items())
    return WordVector(tuple(index for index, _ in ordered), tuple(weight for _, weight in ordered))
