from __future__ import annotations

from collections.abc import Sequence

import pytest

from agentkit.memory.embedders.multilingual import MultilingualEmbedder

NOTES = ["My sister lives in Berlin.", "The invoice is due on Friday.", "He is allergic to peanuts."]


@pytest.fixture(scope="module")
def multilingual() -> MultilingualEmbedder:
    return MultilingualEmbedder()


@pytest.mark.parametrize(
    ("question", "note"),
    [
        ("Wo wohnt meine Schwester?", 0),
        ("¿Cuándo vence la factura?", 1),
        ("他对什么过敏", 2),
        ("Where does my sister live?", 0),
    ],
)
async def test_a_question_in_one_language_finds_a_note_in_another(
    multilingual: MultilingualEmbedder, question: str, note: int
) -> None:
    vectors = await multilingual.embed([question, *NOTES], "document")
    scores = [_cosine(vectors[0], vector) for vector in vectors[1:]]
    assert scores.index(max(scores)) == note


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(lambda left, right: left * right, one, other))
