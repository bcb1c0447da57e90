"""What commands write: text of models without control characters, results unchanged into a pipe."""

from __future__ import annotations

import json

import pytest

from cli.views.console import one_line, printable, write_json, write_text


def test_control_characters_are_removed_but_line_breaks_and_tabs_stay() -> None:
    assert printable("a\x1b[2Jb\x07\x9b\tc\nd") == "a[2Jb\tc\nd"


@pytest.mark.parametrize(
    ("text", "line"),
    [("one", "one"), ("one\n\n  two", "one two"), ("0123456789", "0123456789"), ("0123456789a", "012345678…")],
    ids=["short", "several lines", "as wide as allowed", "too wide"],
)
def test_one_line_joins_lines_and_cuts_them(text: str, line: str) -> None:
    assert one_line(text, 10) == line


def test_text_goes_unchanged_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    write_text("\x1b[1mbold\x1b[0m [red]x " + "y" * 300)

    assert capsys.readouterr().out == "\x1b[1mbold\x1b[0m [red]x " + "y" * 300 + "\n"


def test_json_is_one_line_without_indent(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": "é", "list": [1, 2] * 100}, indent=None)

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"name": "é", "list": [1, 2] * 100}
    assert "é" in line
