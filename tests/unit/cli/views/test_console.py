"""What commands write: text of models without control characters, results unchanged into a pipe."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.text import Text

from cli.views.console import err, one_line, out, printable, text_width, wrap, write_json, write_message, write_text


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


def test_lines_are_as_wide_as_the_terminal_and_those_of_a_pipe_are_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # it is a terminal's width, not a pipe's
    assert text_width(Console(file=io.StringIO(), force_terminal=True, width=37)) == 37
    assert text_width(Console(file=io.StringIO(), force_terminal=True)) == 40
    assert text_width(out) is None


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("one two three four", None, ["one two three four"]),
        ("one two three four", 9, ["one two", "  three", "  four"]),
        ("   → one two three", 10, ["   → one", "  two", "  three"]),
        ("see task-0123456789abcdef now", 10, ["see", "task-0123456789abcdef", "  now"]),
        ("try `opspawn show task-1 --json` now", 12, ["try", "`opspawn show task-1 --json`", "  now"]),
        ("見出し 見出し", 8, ["見出し", "  見出し"]),
    ],
    ids=["pipe", "words", "indented", "long word", "command", "wide characters"],
)
def test_lines_are_wrapped_between_words_and_ids_and_commands_stay_whole(
    line: str, width: int | None, lines: list[str]
) -> None:
    assert [part.plain for part in wrap(Text(line), width, 2)] == lines


def test_styles_survive_wrapping() -> None:
    parts = list(wrap(Text.assemble("plain ", ("bold words", "bold")), 7))

    assert [(part.plain, [span.style for span in part.spans]) for part in parts] == [
        ("plain", []),
        ("bold", ["bold"]),
        ("words", ["bold"]),
    ]


def test_commands_on_lines_of_their_own_are_never_wrapped(
    set_width: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    set_width(12)

    write_message(err, "Start it with:\n  opspawn dev --port 8001")

    assert capsys.readouterr().err.splitlines() == ["Start it", "with:", "  opspawn dev --port 8001"]
