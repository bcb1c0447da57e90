from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.runtime.text_folding import fold, without_invisible


@pytest.mark.parametrize(
    "text",
    [
        "Pay",
        " pay\n",
        "p\u200bay",  # zero width space
        "pa\u00ady",  # soft hyphen
        "\ufeffpay",
        "pay\u3164",  # Hangul filler
        "p\ufe0fay",  # variation selector
        "\uff30\uff41\uff59",  # full width
        "\U0001d429\U0001d41a\U0001d432",  # mathematical bold
    ],
    ids=ascii,
)
def test_texts_that_a_tool_may_take_for_the_same_are_folded_to_the_same(text: str) -> None:
    assert fold(text) == "pay"


def test_other_texts_stay_different() -> None:
    assert len({fold(text) for text in ("pay", "p ay", "pay.", "pay2", "p\u00e0y", "\u0440ay")}) == 6


@given(st.text())
def test_folding_again_changes_nothing_of_what_is_visible(text: str) -> None:
    assert without_invisible(without_invisible(text)) == without_invisible(text)
