from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentkit.messages import ToolCall
from workflows.progress_details import call_summary, shorten


@given(text=st.text(), limit=st.integers(1, 200))
def test_shortened_text_is_one_line_of_at_most_the_limit(text: str, limit: int) -> None:
    line = shorten(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


def test_long_text_ends_with_an_ellipsis() -> None:
    assert shorten("one\n  two") == "one two"
    assert shorten("x" * 500) == "x" * 119 + "…"


def test_a_call_summary_reads_like_a_function_call() -> None:
    call = ToolCall(id="1", name="calculator", arguments={"expression": "6*7", "digits": 2, "unit": "°", "of": [None]})
    assert call_summary(call) == 'calculator(expression="6*7", digits=2, unit="°", of=[null])'


def test_a_call_summary_is_one_short_line() -> None:
    assert len(call_summary(ToolCall(id="1", name="write", arguments={"text": "x" * 10_000}))) == 120
