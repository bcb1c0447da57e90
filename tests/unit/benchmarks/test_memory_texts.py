from __future__ import annotations

from benchmarks.memory_texts import labelled_facts, other_memories


def test_the_labelled_set_is_large_enough_and_in_four_languages() -> None:
    facts = labelled_facts()
    assert len({fact.text for fact in facts}) == len(facts) >= 60
    questions = [question.text for fact in facts for question in fact.questions]
    assert len(set(questions)) == len(questions) >= 120
    for language in ("en", "de", "es", "zh"):
        assert sum(fact.language == language for fact in facts) >= 15


def test_other_memories_differ_from_each_other_and_are_the_same_each_time() -> None:
    texts = list(other_memories(2_000))
    assert len(set(texts)) == 2_000
    assert list(other_memories(2_000)) == texts
    assert not set(texts) & {fact.text for fact in labelled_facts()}
