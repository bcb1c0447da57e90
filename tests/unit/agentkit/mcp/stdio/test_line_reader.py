"""Lines of bounded length."""

from __future__ import annotations

from agentkit.mcp.stdio.line_reader import Line, LineReader


def test_lines_are_joined_over_chunks() -> None:
    reader = LineReader(100)
    assert list(reader.feed(b"one\ntw")) == [Line(b"one")]
    assert list(reader.feed(b"o\n\nthree")) == [Line(b"two"), Line(b"")]


def test_of_a_longer_line_only_the_start_and_the_last_bytes_are_kept() -> None:
    reader = LineReader(10)
    assert list(reader.feed(b"0123456789" + b"x" * 5_000)) == []
    (line, after) = reader.feed(b'"id":7}\nafter\n')
    assert line.start == b"0123456789"
    assert line.end is not None
    assert line.end.endswith(b'xx"id":7}')
    assert len(line.end) == 1_024
    assert after == Line(b"after")
