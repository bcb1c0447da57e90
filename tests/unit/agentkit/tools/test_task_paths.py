"""Paths that models give stay inside the task's directory."""

from __future__ import annotations

import pytest

from agentkit.errors import ToolError
from agentkit.tools.task_paths import task_path


@pytest.mark.parametrize(
    ("text", "path"), [("a.txt", "a.txt"), ("./a//b/./c", "a/b/c"), ("ä/ö.txt", "ä/ö.txt"), ("...", "...")]
)
def test_a_relative_path_is_normalized(text: str, path: str) -> None:
    assert task_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../../x",
        "a/..",
        "a/",
        "a\0b",
        "a\nb",
        "x" * 256,
        "a/" * 300 + "b",
        "a/" * 32 + "b",
    ],
)
def test_any_other_path_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ToolError, match=r"\. (Give|Use)|at most"):
        task_path(text)
