"""Messages from a pipe."""

from __future__ import annotations

import sys
from io import BytesIO, StringIO, TextIOWrapper

import pytest

from cli.chat.chat_input import PipedLines
from cli.errors import UsageWrong


def test_each_line_is_a_message_until_the_end_of_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("one \\\r\n\nlast"))
    lines = PipedLines()

    assert [lines.read("> ") for _ in range(4)] == ["one \\", "", "last", None]


def test_a_closed_stdin_is_the_end_of_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    assert PipedLines().read("> ") is None


def test_a_line_that_is_no_text_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"\xff\n"), encoding="utf-8"))

    with pytest.raises(UsageWrong, match="isn't UTF-8 text"):
        PipedLines().read("> ")
