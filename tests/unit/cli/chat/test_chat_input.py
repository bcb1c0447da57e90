"""Messages from a pipe."""

from __future__ import annotations

import sys
from io import StringIO

import pytest

from cli.chat.chat_input import PipedLines


def test_each_line_is_a_message_until_the_end_of_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("one \\\r\n\nlast"))
    lines = PipedLines()

    assert [lines.read("> ") for _ in range(4)] == ["one \\", "", "last", None]
