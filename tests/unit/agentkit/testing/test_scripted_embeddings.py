from __future__ import annotations

from agentkit.testing.scripted_embeddings import DEFAULT_DIMENSION, hashed_vector


def test_a_text_has_the_same_vector_whatever_its_case_and_the_order_of_its_words() -> None:
    assert hashed_vector("Ada lives here") == hashed_vector("here lives ADA")
    assert len(hashed_vector("Ada")) == DEFAULT_DIMENSION
    assert sum(hashed_vector("one two two", 8)) == 3


def test_a_text_without_words_has_a_direction_too() -> None:
    assert sum(hashed_vector("...")) == 1
    assert sum(hashed_vector("")) == 1
