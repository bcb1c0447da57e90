from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentkit.messages import ToolCall
from workflows.web_ui_details import call_summary, clipped


@given(text=st.text(), limit=st.integers(1, 200))
def test_clipped_text_is_one_line_of_at_most_so_many_characters(text: str, limit: int) -> None:
    line = clipped(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


def test_short_text_stays_and_long_text_says_that_it_goes_on() -> None:
    assert clipped("one\n  two") == "one two"
    assert clipped("x" * 500) == "x" * 119 + "…"


def test_a_call_reads_like_a_call() -> None:
    call = ToolCall(id="1", name="calculator", arguments={"expression": "6*7", "digits": 2, "unit": "°", "of": [None]})
    assert call_summary(call) == 'calculator(expression="6*7", digits=2, unit="°", of=[null])'


def test_a_call_with_long_arguments_is_cut() -> None:
    assert len(call_summary(ToolCall(id="1", name="write", arguments={"text": "x" * 10_000}))) == 120
