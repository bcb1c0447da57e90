"""What long-term memory finds: the benchmark's questions, over the labelled facts alone."""

from __future__ import annotations

from pathlib import Path

from benchmarks.memory import measure, recall_share


async def test_recall_finds_nearly_all_facts_in_four_languages_and_more_than_words_alone(tmp_path: Path) -> None:
    figures = await measure("multilingual", tmp_path / "memory", 0)
    found = {one.way: one.found for one in figures.few}
    by_language = figures.few[0].found_by_language
    assert found["hybrid"] >= 0.9
    assert found["hybrid"] >= found["words"] + 0.2
    assert min(by_language.values()) >= 0.85
    assert figures.few[0].found_by_kind["shared words"] == 1.0


async def test_minilm_finds_nearly_all_facts_in_english(tmp_path: Path) -> None:
    figures = await measure("minilm", tmp_path / "memory", 0)
    hybrid = figures.few[0]
    assert hybrid.found_by_language["en"] >= 0.9
    assert hybrid.found_by_kind["shared words"] == 1.0, "those are found by their words, in each language"
    assert hybrid.found >= max(one.found for one in figures.few[1:])


def test_the_share_of_no_questions_is_0() -> None:
    assert recall_share([]) == 0.0
    assert recall_share([True, False]) == 0.5
