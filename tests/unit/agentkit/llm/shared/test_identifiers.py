from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.llm.shared.identifiers import fit_identifier, provider_tool_name


@pytest.mark.parametrize("name", ["clock", "a-b_C9", "x" * 64])
def test_an_allowed_name_is_unchanged(name: str) -> None:
    assert provider_tool_name(name) == name


@given(st.text(), st.integers(10, 80))
def test_any_text_becomes_an_allowed_identifier(text: str, max_length: int) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", provider_tool_name(text))
    assert re.fullmatch(rf"[a-zA-Z0-9_-]{{1,{max_length}}}", fit_identifier(text, max_length))


def test_similar_names_remain_different() -> None:
    names = ["mcp:a/b", "mcp:a_b", "mcp_a/b", "mcp_a_b", "y" * 65, "y" * 66]
    assert len({provider_tool_name(name) for name in names}) == len(names)
