from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.llm.shared.streams.think_tags import TaggedText, ThinkTagSplitter, split_think_tags

THINK = ("<think>", "</think>")


def _split(pieces: Sequence[str]) -> tuple[str, str]:
    """Return the thinking and the text that a splitter makes of these pieces."""
    splitter = ThinkTagSplitter()
    parts = [part for piece in pieces for part in splitter.add(piece)] + splitter.end()
    thinking, text = ("".join(piece for kind, piece in parts if kind == wanted) for wanted in ("thinking", "text"))
    return thinking, text


CASES = [
    pytest.param("<think>\nHm\n</think>\n\nHello", "\nHm\n", "Hello", id="usual"),
    pytest.param(" \n<think>Hm</think>Hello", "Hm", "Hello", id="white space before it"),
    pytest.param("[THINK]Hm[/THINK]Hello", "Hm", "Hello", id="Mistral"),
    pytest.param("<seed:think>Hm</seed:think>\nHello", "Hm", "Hello", id="Seed"),
    pytest.param("<think></think>\n\nHello", "", "Hello", id="no thought"),
    pytest.param("<think>Hm</think>\n<think>And</think>Hello", "HmAnd", "Hello", id="two blocks"),
    pytest.param("<think>Hm", "Hm", "", id="unclosed"),
    pytest.param("<think>Hm</thi", "Hm</thi", "", id="closing tag cut off"),
    pytest.param("<think>a < b</b></think>Hello", "a < b</b>", "Hello", id="other tags inside"),
    pytest.param("<think>Hm</think>\n\n", "Hm", "", id="nothing else"),
    pytest.param("Hello", "", "Hello", id="text"),
    pytest.param(" \n Hello", "", " \n Hello", id="text after white space"),
    pytest.param("<thin", "", "<thin", id="the beginning of a tag"),
    pytest.param("<b>Hello</b>", "", "<b>Hello</b>", id="another tag"),
    pytest.param("Use <think>x</think>.", "", "Use <think>x</think>.", id="tags in the text"),
    pytest.param("<think>Hm</think>Use <think>.", "Hm", "Use <think>.", id="tags after the thought"),
    pytest.param("", "", "", id="empty"),
]


@pytest.mark.parametrize(("text", "thinking", "rest"), CASES)
@pytest.mark.parametrize("size", [1, 2, 5, 1_000])
def test_thinking_at_the_beginning_is_separated_in_pieces_of_any_size(
    text: str, thinking: str, rest: str, size: int
) -> None:
    assert _split([text[start : start + size] for start in range(0, len(text), size)]) == (thinking, rest)


@pytest.mark.parametrize(("text", "thinking", "rest"), CASES)
def test_a_complete_text_is_split_in_the_same_place(text: str, thinking: str, rest: str) -> None:
    tagged = split_think_tags(text)
    assert (tagged.thinking, tagged.text) == (thinking, rest)


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "\n", "<", "think>"]), max_size=12))
def test_pieces_are_split_as_their_whole(pieces: list[str]) -> None:
    assert _split(pieces) == _split(["".join(pieces)])


def test_the_tags_are_known_so_that_they_can_be_sent_back() -> None:
    assert split_think_tags("<think>Hm</think>Hi") == TaggedText("Hi", "Hm", *THINK)
    assert split_think_tags("Hi") == TaggedText("Hi")


@pytest.mark.parametrize(
    ("text", "thinking", "rest"),
    [
        ("Hm.</think>391", "Hm.", "391"),
        ("\nHm\n</think>\n\nHello", "\nHm\n", "Hello"),
        ("</think>Hello", "", "Hello"),
        ('Hm.</think>{"a": "</think>"}', "Hm.", '{"a": "</think>"}'),
    ],
)
def test_a_closing_tag_alone_ends_thinking_that_the_prompt_began(text: str, thinking: str, rest: str) -> None:
    assert split_think_tags(text) == TaggedText(rest, thinking, "", "</think>")


@pytest.mark.parametrize("text", ["Close it with `</think>`.", 'Write "</think>" there.', '{"a": "b </think> c"}'])
def test_a_closing_tag_that_is_quoted_is_text(text: str) -> None:
    assert split_think_tags(text) == TaggedText(text)


def test_what_follows_the_end_is_text() -> None:
    splitter = ThinkTagSplitter()
    assert splitter.end() == []
    assert splitter.add("<think>") == [("text", "<think>")]
